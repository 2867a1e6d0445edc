package aws

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// What DynamoDB allows as the name of a table, and the Parameter Store as the
// beginning of a parameter's name.
var (
	tableName    = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`)
	secretPrefix = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)
)

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

// queues are the addresses of the lanes. A message says by its queue's name
// which lane it came on, so that no two lanes may have the same.
func queues(getenv func(string) string) (map[queue.Lane]string, error) {
	urls, of := map[queue.Lane]string{}, map[string]string{} // a queue's name → its variable
	for _, l := range lanes {
		at, err := address(getenv, l.variable)
		switch {
		case err != nil:
			return nil, err
		case at == "" && !l.optional:
			return nil, missing(l.variable, "the address of a queue")
		case at == "":
			continue
		}
		name := at[strings.LastIndexByte(at, '/')+1:]
		switch {
		case strings.Count(at, "/") < 3:
			return nil, fmt.Errorf("%s is %q; the address of a queue is expected, which ends with its name", l.variable, at)
		case of[name] != "":
			return nil, fmt.Errorf("%s and %s both name the queue %s; each lane has a queue of its own", of[name], l.variable, name)
		}
		urls[l.lane], of[name] = at, l.variable
	}
	return urls, nil
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

// minKey is the shortest key of callback addresses.
const minKey = 32

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
