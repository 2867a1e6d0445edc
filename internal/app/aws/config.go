package aws

import (
	"fmt"
	"log/slog"
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
	// Blanks around a key are no part of it.
	Keys [][]byte
	// PublicURL is the base of callback addresses (STEPLINE_PUBLIC_URL),
	// without a trailing slash. Functions that run steps or show executions do
	// not start without it.
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

// FromEnv reads the configuration of a function, by the name of its folder: the
// environment, and the file that lies in the function's folder. An empty variable
// counts as unset. The error is one line that names the variables or the file and
// says what is expected.
func FromEnv(function string, getenv func(string) string) (c Config, err error) {
	c = Config{
		Region: getenv("AWS_REGION"), Table: getenv("STEPLINE_TABLE"),
		PublicURL:    strings.TrimRight(getenv("STEPLINE_PUBLIC_URL"), "/"),
		SecretPrefix: strings.TrimRight(getenv("STEPLINE_SECRET_PREFIX"), "/"), Getenv: getenv,
		RuntimeAPI: getenv("AWS_LAMBDA_RUNTIME_API"),
	}
	switch {
	case c.Table == "":
		return c, missing("STEPLINE_TABLE", "the name of the table")
	case !tableName.MatchString(c.Table):
		return c, fmt.Errorf("STEPLINE_TABLE is %q; the name of a table is expected: 3 to 255 letters, digits and _.-", c.Table)
	case getenv("STEPLINE_SECRET_PREFIX") != "" && !secretPrefix.MatchString(c.SecretPrefix):
		return c, fmt.Errorf("STEPLINE_SECRET_PREFIX is %q; the beginning of a parameter's name such as /stepline/prod is expected", getenv("STEPLINE_SECRET_PREFIX"))
	case c.Region == "":
		return c, missing("AWS_REGION", "a region such as eu-central-1")
	}
	if err = needed(function, getenv); err != nil {
		return c, err
	}
	if c.Queues, err = queues(getenv); err != nil {
		return c, err
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
