package aws

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/app"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/telemetry"
)

// Config is a function's configuration, as template.yaml gives it.
type Config struct {
	// Region is where table and queues are (AWS_REGION, which Lambda sets).
	Region string
	// Table is the name of the table (STEPLINE_TABLE).
	Table string
	// Queues are the addresses of the lanes that are sent to
	// (STEPLINE_QUEUE_HIGH, _NORMAL, _LOW, _SOLO), and in the function that is
	// fed from it that of the dead-letter queue (STEPLINE_QUEUE_DEAD), which SQS
	// alone sends to.
	Queues map[queue.Lane]string
	// Keys authenticate callback addresses (STEPLINE_CALLBACK_KEYS): one, or
	// two during a rotation, separated by a comma; the first signs, all verify.
	Keys [][]byte
	// PublicURL is the base of callback addresses (STEPLINE_PUBLIC_URL),
	// without a trailing slash. Functions that run steps or show executions need
	// it.
	PublicURL string
	// SecretPrefix starts the names of the parameters that hold the secrets
	// (STEPLINE_SECRET_PREFIX). Without one they are in the environment, read by
	// Getenv: STEPLINE_SECRET_<NAME>.
	SecretPrefix string
	Getenv       func(string) string
	// TableEndpoint and QueueEndpoint replace the addresses of DynamoDB and SQS
	// (AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_SQS): stand-ins in tests.
	TableEndpoint, QueueEndpoint string
	// RuntimeAPI is where Lambda gives this process its invocations, as host and
	// port (AWS_LAMBDA_RUNTIME_API, which Lambda sets).
	RuntimeAPI string
	// Times are the protocol's.
	Times runner.Times
	// Routes are the calls that the API serves, as RoutesFile has them; nil:
	// all, where api.Routes has them.
	Routes []api.Route
	// LogLevel is the least level that is logged (STEPLINE_LOG_LEVEL); info.
	LogLevel slog.Level
}

// minKey is the shortest key of callback addresses.
const minKey = 32

// lanes are the variables with the addresses of queues.
var lanes = []struct {
	variable string
	lane     queue.Lane
	optional bool
}{
	{"STEPLINE_QUEUE_HIGH", queue.High, false}, {"STEPLINE_QUEUE_NORMAL", queue.Normal, false},
	{"STEPLINE_QUEUE_LOW", queue.Low, false}, {"STEPLINE_QUEUE_SOLO", queue.Solo, false},
	{"STEPLINE_QUEUE_DEAD", queue.Dead, true},
}

// FromEnv reads the configuration: the environment, and the file that lies in
// the function's folder. An empty variable counts as unset. The error is one
// line that names the variable or the file and says what is expected.
func FromEnv(getenv func(string) string) (c Config, err error) {
	c = Config{
		Region: getenv("AWS_REGION"), Table: getenv("STEPLINE_TABLE"), Queues: map[queue.Lane]string{},
		PublicURL:    strings.TrimRight(getenv("STEPLINE_PUBLIC_URL"), "/"),
		SecretPrefix: strings.TrimRight(getenv("STEPLINE_SECRET_PREFIX"), "/"), Getenv: getenv,
		RuntimeAPI: getenv("AWS_LAMBDA_RUNTIME_API"),
	}
	switch {
	case c.Table == "":
		return c, missing("STEPLINE_TABLE", "the name of the table")
	case c.SecretPrefix != "" && !strings.HasPrefix(c.SecretPrefix, "/"):
		return c, fmt.Errorf("STEPLINE_SECRET_PREFIX is %q; the beginning of a parameter's name such as /stepline/prod is expected", c.SecretPrefix)
	case c.Region == "":
		return c, missing("AWS_REGION", "a region such as eu-central-1")
	}
	for _, l := range lanes {
		at, err := address(getenv, l.variable)
		switch {
		case err != nil:
			return c, err
		case at != "":
			c.Queues[l.lane] = at
		case !l.optional:
			return c, missing(l.variable, "the address of a queue")
		}
	}
	if c.Keys, err = callbackKeys(getenv("STEPLINE_CALLBACK_KEYS")); err != nil {
		return c, err
	}
	for name, at := range map[string]*string{
		"STEPLINE_PUBLIC_URL": &c.PublicURL, "AWS_ENDPOINT_URL_DYNAMODB": &c.TableEndpoint, "AWS_ENDPOINT_URL_SQS": &c.QueueEndpoint,
	} {
		if *at, err = address(getenv, name); err != nil {
			return c, err
		}
	}
	if c.Times, err = app.Times(getenv); err != nil {
		return c, err
	}
	if c.Routes, err = routes(getenv("LAMBDA_TASK_ROOT")); err != nil {
		return c, err
	}
	if c.LogLevel, err = telemetry.ParseLevel(getenv("STEPLINE_LOG_LEVEL")); err != nil {
		return c, fmt.Errorf("STEPLINE_LOG_LEVEL: %w", err)
	}
	return c, nil
}

// address reads a variable with a URL, without a trailing slash; "" when unset.
func address(getenv func(string) string, variable string) (string, error) {
	s := strings.TrimRight(getenv(variable), "/")
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("%s is %q; an address such as https://example.com is expected", variable, s)
	}
	return s, nil
}

// callbackKeys never shows what it refuses.
func callbackKeys(s string) ([][]byte, error) {
	const name = "STEPLINE_CALLBACK_KEYS"
	if s == "" {
		return nil, missing(name, "one or two keys of at least 32 characters, separated by a comma")
	}
	var keys [][]byte
	for i, key := range strings.Split(s, ",") {
		if len(key) < minKey {
			return nil, fmt.Errorf("%s: key %d has %d characters; at least %d are expected", name, i+1, len(key), minKey)
		}
		keys = append(keys, []byte(key))
	}
	return keys, nil
}

func missing(variable, what string) error {
	return fmt.Errorf("%s is not set; %s is expected", variable, what)
}
