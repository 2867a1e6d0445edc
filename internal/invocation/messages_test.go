package invocation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/telemetry"
)

var lanes = LanesOf(map[queue.Lane]string{
	queue.High: "https://sqs.eu-central-1.amazonaws.com/123456789012/stepline-HighQueue-1",
	queue.Solo: "https://sqs.eu-central-1.amazonaws.com/123456789012/stepline-SoloQueue-2",
	queue.Dead: "http://127.0.0.1:9324/000000000000/dead",
})

// sqsRecord is one record of a batch, with the parts that differ.
func sqsRecord(id, queueName, body string) events.SQSMessage {
	return events.SQSMessage{
		MessageId: id, ReceiptHandle: "handle-" + id, Body: body, EventSource: "aws:sqs",
		EventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:" + queueName,
		Attributes:     map[string]string{"ApproximateReceiveCount": "3", "SentTimestamp": "1767225600123"},
	}
}

func batch(t *testing.T, ms ...events.SQSMessage) []byte {
	t.Helper()
	b, err := json.Marshal(events.SQSEvent{Records: ms})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	var got []queue.Delivery
	a := Messages(func(_ context.Context, ds []queue.Delivery) []string {
		got = ds
		return []string{"b"}
	}, lanes, quiet())
	out, err := a.Invoke(t.Context(), batch(t, sqsRecord("a", "stepline-HighQueue-1", "one"), sqsRecord("b", "stepline-SoloQueue-2", "two"), sqsRecord("c", "dead", "three")))
	if err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"b"}]}` {
		t.Fatalf("got %s, %v", out, err)
	}
	want := []queue.Delivery{
		{ID: "a", Body: []byte("one"), Receives: 3, Sent: time.UnixMilli(1767225600123), Lane: queue.High, Receipt: "handle-a"},
		{ID: "b", Body: []byte("two"), Receives: 3, Sent: time.UnixMilli(1767225600123), Lane: queue.Solo, Receipt: "handle-b"},
		{ID: "c", Body: []byte("three"), Receives: 3, Sent: time.UnixMilli(1767225600123), Lane: queue.Dead, Receipt: "handle-c"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestNothingFailed(t *testing.T) {
	t.Parallel()
	a := Messages(func(context.Context, []queue.Delivery) []string { return nil }, lanes, quiet())
	// A missing list would be a malformed answer: Lambda would take the whole
	// batch for failed.
	if out, err := a.Invoke(t.Context(), batch(t, sqsRecord("a", "dead", "x"))); err != nil || string(out) != `{"batchItemFailures":[]}` {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestRecordsThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*events.SQSMessage)
		want string
	}{
		"another queue":      {func(m *events.SQSMessage) { m.EventSourceARN = "arn:aws:sqs:eu-central-1:1:other" }, "is no queue of this function"},
		"no ARN":             {func(m *events.SQSMessage) { m.EventSourceARN = "" }, "is no queue of this function"},
		"another source":     {func(m *events.SQSMessage) { m.EventSource = "aws:kinesis" }, "aws:kinesis"},
		"no receive count":   {func(m *events.SQSMessage) { delete(m.Attributes, "ApproximateReceiveCount") }, "ApproximateReceiveCount"},
		"no time":            {func(m *events.SQSMessage) { m.Attributes["SentTimestamp"] = "soon" }, "SentTimestamp"},
		"no attributes left": {func(m *events.SQSMessage) { m.Attributes = nil }, "ApproximateReceiveCount"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := sqsRecord("bad", "dead", "x")
			c.edit(&bad)
			var log bytes.Buffer
			handled := 0
			a := Messages(func(_ context.Context, ds []queue.Delivery) []string {
				handled += len(ds)
				return nil
			}, lanes, Logger(telemetry.NewLogger(&log, slog.LevelInfo)))
			out, err := a.Invoke(invoked(t, "req-5"), batch(t, sqsRecord("good", "dead", "x"), bad))
			if err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"bad"}]}` || handled != 1 {
				t.Errorf("got %s, %v, %d handled", out, err, handled)
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), c.want) || !strings.Contains(log.String(), `"requestId":"req-5"`) {
				t.Errorf("want one line with %q and the request id, got %s", c.want, log.String())
			}
		})
	}
}

func TestEventsThatAreNoBatches(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{`{}`, `[]`, `null`, ``, `{"Records":[]}`, string(event("GET", "/", nil))} {
		var log bytes.Buffer
		a := Messages(func(context.Context, []queue.Delivery) []string {
			t.Error("the handler was called")
			return nil
		}, lanes, Logger(telemetry.NewLogger(&log, slog.LevelInfo)))
		if out, err := a.Invoke(invoked(t, "req-6"), []byte(payload)); err == nil {
			t.Errorf("%s: got %s, want a failed invocation", payload, out)
		}
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), `"requestId":"req-6"`) {
			t.Errorf("%s: want one line with the request id, got %s", payload, log.String())
		}
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	failing := errors.New("table not reached")
	for name, c := range map[string]struct {
		payload string
		fails   error
		called  bool
	}{
		"rule":          {`{"version":"0","source":"aws.events","detail-type":"Scheduled Event","detail":{}}`, nil, true},
		"by hand":       {`{}`, nil, true},
		"failure":       {`{}`, failing, true},
		"API event":     {string(event("GET", "/", nil)), nil, false},
		"another event": {`{"detail-type":"EC2 Instance State-change Notification"}`, nil, false},
		"null":          {`null`, nil, false},
		"not JSON":      {`x`, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			called := false
			a := Schedule(func(context.Context) error {
				called = true
				return c.fails
			}, Logger(telemetry.NewLogger(&log, slog.LevelInfo)))
			out, err := a.Invoke(invoked(t, "req-7"), []byte(c.payload))
			good := c.called && c.fails == nil
			if called != c.called || (err == nil) != good || good && string(out) != "null" {
				t.Errorf("called %v, got %s, %v", called, out, err)
			}
			if lines := strings.Count(log.String(), "\n"); good && lines != 0 || !good && (lines != 1 || !strings.Contains(log.String(), "req-7")) {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

// TestLinesFarFromAContext: lines of code that has no context get the id of the
// invocation under way, and no id between two. It is the only test that looks
// at the process's one id, so it is not parallel.
func TestLinesFarFromAContext(t *testing.T) {
	var log bytes.Buffer
	l := Logger(telemetry.NewLogger(&log, slog.LevelInfo)).With("tenant", "a")
	a := Messages(func(context.Context, []queue.Delivery) []string {
		l.Info("inside")
		return nil
	}, lanes, l)
	if _, err := a.Invoke(invoked(t, "req-8"), batch(t, sqsRecord("a", "dead", "x"))); err != nil {
		t.Fatal(err)
	}
	l.Info("outside")
	lines := strings.Split(log.String(), "\n")
	if !strings.Contains(lines[0], `"requestId":"req-8"`) || strings.Contains(lines[1], "requestId") {
		t.Errorf("got %s", log.String())
	}
}

func FuzzMessages(f *testing.F) {
	for _, q := range []string{"dead", "other"} {
		b, _ := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{sqsRecord("a", q, "x"), sqsRecord("b", "dead", `{"v":2}`)}})
		f.Add(b)
	}
	f.Add([]byte(`{"Records":[{}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		handled := 0
		out, err := Messages(func(_ context.Context, ds []queue.Delivery) []string {
			handled = len(ds)
			return nil
		}, lanes, quiet()).Invoke(t.Context(), payload)
		if err != nil {
			return
		}
		var e events.SQSEvent
		var r events.SQSEventResponse
		if json.Unmarshal(payload, &e) != nil || json.Unmarshal(out, &r) != nil || handled+len(r.BatchItemFailures) != len(e.Records) {
			t.Fatalf("%d of %d handled, answer %s", handled, len(e.Records), out)
		}
		for _, failed := range r.BatchItemFailures {
			if !slices.ContainsFunc(e.Records, func(m events.SQSMessage) bool { return m.MessageId == failed.ItemIdentifier }) {
				t.Fatalf("%q is no record's id", failed.ItemIdentifier)
			}
		}
	})
}
