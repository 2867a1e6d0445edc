package aws

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// needs are the variables that only some functions do not start without: what
// hands out or shows callback addresses would hand out ones that lead nowhere,
// and what is fed from the dead-letter queue would know it by no name.
var needs = []struct {
	variable, what string
	functions      []string
}{
	{"STEPLINE_PUBLIC_URL", "the base of callback addresses, such as https://flows.example.com,", []string{"execute", "status", "worker"}},
	{"STEPLINE_QUEUE_DEAD", "the address of a queue", []string{"deadletter"}},
}

func needed(function string, getenv func(string) string) error {
	for _, n := range needs {
		if slices.Contains(n.functions, function) && getenv(n.variable) == "" {
			return missing(n.variable, n.what)
		}
	}
	return nil
}

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

const (
	minKey  = 32 // the shortest key of callback addresses
	maxKeys = 2  // during a rotation
)

// callbackKeys never shows what it refuses. A blank inside a key is more likely
// a comma that was forgotten than meant.
func callbackKeys(s string) ([][]byte, error) {
	const name = "STEPLINE_CALLBACK_KEYS"
	if s == "" {
		return nil, missing(name, "one or two keys of at least 32 characters, separated by a comma")
	}
	var keys [][]byte
	for key := range strings.SplitSeq(s, ",") {
		keys = append(keys, []byte(strings.TrimSpace(key)))
	}
	if len(keys) > maxKeys {
		return nil, fmt.Errorf("%s holds %d keys; one is expected, or two during a rotation", name, len(keys))
	}
	for i, key := range keys {
		switch {
		case len(key) < minKey:
			return nil, fmt.Errorf("%s: key %d has %d characters; at least %d are expected", name, i+1, len(key), minKey)
		case len(bytes.Fields(key)) > 1:
			return nil, fmt.Errorf("%s: key %d has a blank in it; keys are separated by a comma", name, i+1)
		case i > 0 && bytes.Equal(key, keys[0]):
			return nil, fmt.Errorf("%s holds the same key twice; during a rotation the new one and the old one are expected", name)
		}
	}
	return keys, nil
}

func missing(variable, what string) error {
	return fmt.Errorf("%s is not set; %s is expected", variable, what)
}
