package aws

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/queue/sqs"
)

// environment is a whole one, with the DynamoDB at this address.
func environment(dynamo string, edit map[string]string) func(string) string {
	vars := map[string]string{
		"AWS_REGION": "eu-central-1", "STEPLINE_TABLE": "stepline", "AWS_ENDPOINT_URL_DYNAMODB": dynamo,
		"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
		"STEPLINE_QUEUE_HIGH": "http://127.0.0.1:9/1/high", "STEPLINE_QUEUE_NORMAL": "http://127.0.0.1:9/1/normal",
		"STEPLINE_QUEUE_LOW": "http://127.0.0.1:9/1/low", "STEPLINE_QUEUE_SOLO": "http://127.0.0.1:9/1/solo",
		"STEPLINE_CALLBACK_KEYS": strings.Repeat("k", 32),
	}
	for name, v := range edit {
		vars[name] = v
	}
	return func(name string) string { return vars[name] }
}

// dynamo answers every call with one description.
func dynamo(t *testing.T, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestStartSaysWhatIsWrongInOneLine(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "local")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	const noIndex = `{"Table":{"TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],
		"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"S"}]}}`
	forbidden := dynamo(t, http.StatusBadRequest, `{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"not authorized"}`)
	for name, c := range map[string]struct {
		getenv func(string) string
		want   string
		starts bool
	}{
		"variable missing": {environment(forbidden, map[string]string{"STEPLINE_TABLE": ""}), "STEPLINE_TABLE is not set", false},
		"index missing":    {environment(dynamo(t, http.StatusOK, noIndex), nil), `index \"hist\"`, false},
		"table missing":    {environment(dynamo(t, http.StatusBadRequest, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no"}`), nil), "there is no table", false},
		"may not ask":      {environment(forbidden, nil), "without a look at its table", true},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			cloud, _, err := Start(t.Context(), "sweeper", c.getenv, &log, time.Now)
			if (err == nil) != c.starts || (cloud != nil) != c.starts {
				t.Fatalf("got %v, %v", cloud, err)
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), c.want) {
				t.Errorf("got %s, want one line with %s", log.String(), c.want)
			}
		})
	}
}

// A body that cannot travel through SQS as it is arrives as it was sent, and one
// of somebody else as it came.
func TestFeed(t *testing.T) {
	t.Parallel()
	sent, err := sqs.Encode([]byte("a\x00b"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	h := (&Cloud{}).Feed(func(_ context.Context, ds []queue.Delivery) []string {
		for _, d := range ds {
			got = append(got, d.ID+string(d.Body))
		}
		return []string{"2"}
	})
	in := []queue.Delivery{{ID: "1", Body: []byte(sent)}, {ID: "2", Body: []byte("{}")}, {ID: "3", Body: []byte("stepline:deflate:?")}}
	if failed := h(t.Context(), in); !slices.Equal(failed, []string{"2"}) || !slices.Equal(got, []string{"1a\x00b", "2{}", "3stepline:deflate:?"}) {
		t.Errorf("got %q, failed %q", got, failed)
	}
}

func TestLanesOfAFunction(t *testing.T) {
	t.Parallel()
	c, err := FromEnv("deadletter", environment("", map[string]string{"STEPLINE_QUEUE_DEAD": "http://127.0.0.1:9/1/dead"}))
	if err != nil {
		t.Fatal(err)
	}
	lanes := (&Cloud{config: c}).Lanes()
	if lanes["dead"] != "dead" || lanes["solo"] != "solo" || len(lanes) != 5 {
		t.Errorf("got %v", lanes)
	}
	if _, err := FromEnv("deadletter", environment("", map[string]string{"STEPLINE_QUEUE_DEAD": "dead"})); err == nil || !strings.Contains(err.Error(), "STEPLINE_QUEUE_DEAD") {
		t.Errorf("got %v, want an error that names the variable", err)
	}
}
