package aws

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// complete is an environment as template.yaml gives it.
func complete() map[string]string {
	return map[string]string{
		"AWS_REGION":             "eu-central-1",
		"STEPLINE_TABLE":         "stepline",
		"STEPLINE_QUEUE_HIGH":    "https://sqs.eu-central-1.amazonaws.com/1/high",
		"STEPLINE_QUEUE_NORMAL":  "https://sqs.eu-central-1.amazonaws.com/1/normal",
		"STEPLINE_QUEUE_LOW":     "https://sqs.eu-central-1.amazonaws.com/1/low",
		"STEPLINE_QUEUE_SOLO":    "https://sqs.eu-central-1.amazonaws.com/1/solo",
		"STEPLINE_CALLBACK_KEYS": strings.Repeat("new", 11) + ", " + strings.Repeat("old", 11) + " ",
		"STEPLINE_PUBLIC_URL":    "https://hooks.example.com/",
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	env := complete()
	env["STEPLINE_SOLO_LEASE"] = "65500ms"
	env["STEPLINE_LOG_LEVEL"] = "warn"
	env["AWS_ENDPOINT_URL_SQS"] = "http://127.0.0.1:9324/"
	env["AWS_ENDPOINT_URL_DYNAMODB"] = "" // as unset
	c, err := FromEnv("status", func(name string) string { return env[name] })
	switch {
	case err != nil:
		t.Fatal(err)
	case c.Region != "eu-central-1" || c.Table != "stepline" || c.Queues[queue.Solo] != env["STEPLINE_QUEUE_SOLO"]:
		t.Errorf("read %+v", c)
	case len(c.Keys) != 2 || string(c.Keys[0]) != strings.Repeat("new", 11) || string(c.Keys[1]) != strings.Repeat("old", 11):
		t.Errorf("the keys are %q", c.Keys)
	case c.PublicURL != "https://hooks.example.com" || c.QueueEndpoint != "http://127.0.0.1:9324" || c.TableEndpoint != "":
		t.Errorf("the addresses are %q, %q, %q", c.PublicURL, c.QueueEndpoint, c.TableEndpoint)
	case c.Times.SoloLease != 65500*time.Millisecond || c.LogLevel != slog.LevelWarn:
		t.Errorf("times %+v, level %s", c.Times, c.LogLevel)
	}
}

// Whatever is wrong is refused in one line that names the variable and, where
// it is a key, does not show it.
func TestConfigurationRefused(t *testing.T) {
	t.Parallel()
	const secret, key = "too short, and secret", "0123456789abcdef0123456789abcdef"
	for name, wrong := range map[string][]string{
		"AWS_REGION":                {""},
		"STEPLINE_TABLE":            {"", "a/b", "ab", "arn:aws:dynamodb:eu-central-1:1:table/stepline"},
		"STEPLINE_QUEUE_HIGH":       {"", "high", "https://sqs.eu-central-1.amazonaws.com"},
		"STEPLINE_QUEUE_NORMAL":     {"", "sqs.example.com/q", "https://sqs.eu-central-1.amazonaws.com/"},
		"STEPLINE_QUEUE_LOW":        {"", "ftp://example.com"},
		"STEPLINE_QUEUE_SOLO":       {"", "https://"},
		"STEPLINE_CALLBACK_KEYS":    {"", secret, key + "," + secret, key + ",", strings.Repeat(" ", minKey), key + "," + key, key + " ," + key, key + " " + secret, key + ",1" + key + ",2" + key},
		"STEPLINE_PUBLIC_URL":       {"", "flows", "https://a@example.com", "https://example.com?a=b"},
		"AWS_ENDPOINT_URL_SQS":      {"localhost"},
		"AWS_ENDPOINT_URL_DYNAMODB": {":8000"},
		"STEPLINE_SOLO_RENEW":       {"soon", "-1s"},
		"STEPLINE_SECRET_PREFIX":    {"stepline", "stepline/prod", "/", "/a b"},
		"STEPLINE_SOLO_VISIBLE":     {"65s"},
		"STEPLINE_SOLO_LEASE":       {"35s"},
		"STEPLINE_LOG_LEVEL":        {"loud"},
	} {
		for _, value := range wrong {
			env := complete()
			env[name] = value
			_, err := FromEnv("status", func(name string) string { return env[name] })
			if err == nil || !strings.HasPrefix(err.Error(), name) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), secret) {
				t.Errorf("%s=%q: got %v, want one line that begins with the variable's name", name, value, err)
			}
		}
	}
}

// TestWhatOnlySomeFunctionsNeed: they do not start without it, the others do.
func TestWhatOnlySomeFunctionsNeed(t *testing.T) {
	t.Parallel()
	for name, need := range map[string]map[string]bool{
		"STEPLINE_PUBLIC_URL": {"execute": true, "status": true, "worker": true},
		"STEPLINE_QUEUE_DEAD": {"deadletter": true},
	} {
		for _, function := range wiring.Functions {
			env := complete()
			env["STEPLINE_QUEUE_DEAD"] = "https://sqs.eu-central-1.amazonaws.com/1/dead"
			delete(env, name)
			_, err := FromEnv(function, func(name string) string { return env[name] })
			if refused := err != nil && strings.HasPrefix(err.Error(), name+" is not set; "); refused != need[function] || err != nil && !refused {
				t.Errorf("%s without %s: %v", function, name, err)
			}
		}
	}
}

// TestNoTwoLanesOnOneQueue: which lane a message came on would be left to chance.
func TestNoTwoLanesOnOneQueue(t *testing.T) {
	t.Parallel()
	for _, same := range []string{"https://sqs.eu-central-1.amazonaws.com/1/normal", "https://sqs.eu-central-1.amazonaws.com/2/normal/"} {
		for _, variable := range []string{"STEPLINE_QUEUE_SOLO", "STEPLINE_QUEUE_DEAD"} {
			env := complete()
			env[variable] = same
			_, err := FromEnv("sweeper", func(name string) string { return env[name] })
			if want := "STEPLINE_QUEUE_NORMAL and " + variable + " both name the queue normal"; err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s=%s: got %v, want %s", variable, same, err, want)
			}
		}
	}
}

func TestOpenMakesNoCall(t *testing.T) {
	t.Parallel()
	env := complete()
	env["AWS_ENDPOINT_URL_SQS"], env["AWS_ENDPOINT_URL_DYNAMODB"] = "http://127.0.0.1:1", "http://127.0.0.1:1" // nobody answers there
	c, err := FromEnv("status", func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.Messages("worker"); err != nil {
		t.Error(err)
	}
}
