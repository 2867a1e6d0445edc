//go:build sam

package functions_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// flows plays whole executions: HTTP over `sam local start-api`, messages from
// the queues by a pump over `sam local start-lambda`.
func (e *environment) flows(t *testing.T) {
	stand := e.stand(t, "flows", map[queue.Lane]string{
		queue.High: "quick-HighQueue", queue.Normal: "flows-NormalQueue", queue.Low: "flows-LowQueue",
		queue.Solo: "flows-SoloQueue", queue.Dead: "flows-DeadLetterQueue",
	})
	health := e.moved(t, stand)
	api, lambda := e.serve(t, stand, "start-api"), e.serve(t, stand, "start-lambda")
	f := &flow{stand: stand, api: api, health: health}
	ctx, stop := context.WithCancel(t.Context())
	pumps := startPumps(ctx, stand, lambda)
	t.Cleanup(func() {
		stop()
		for _, err := range pumps.wait() {
			t.Error(err)
		}
	})
	doc, err := os.ReadFile("testdata/order.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f.call(t, "PUT", "/v1/workflows/order", string(doc), map[string]string{"Content-Type": "application/yaml"}, http.StatusCreated)
	t.Run("register, execute, answer, status", f.toItsEnd)
	t.Run("execute, cancel", f.cancelled)
	t.Run("a message that nobody can read", f.poisoned)
	t.Run("what is no call", f.refused)
	t.Run("a signed webhook", f.webhook)
}

// webhook: the sample deliveries, over HTTP: the first starts an execution, the
// second finds it, a forged one is turned away.
func (f *flow) webhook(t *testing.T) {
	f.deliver(t, "admin/put-source", http.StatusCreated)
	first := f.deliver(t, "webhook/event", http.StatusAccepted)
	if again := f.deliver(t, "webhook/event-again", http.StatusOK); dump(again) != dump(first) {
		t.Errorf("delivered again: %s, the first answer was %s", dump(again), dump(first))
	}
	f.deliver(t, "webhook/event-forged", http.StatusUnauthorized)
	if id := executionID.FindString(dump(first)); id == "" {
		t.Errorf("no execution was started: %s", dump(first))
	} else {
		f.until(t, id, "waiting")
	}
}

// deliver makes the request that a sample event stands for.
func (f *flow) deliver(t *testing.T, name string, want int) object {
	t.Helper()
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(sample(t, name), &e); err != nil {
		t.Fatal(err)
	}
	body := e.Body
	if e.IsBase64Encoded {
		b, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			t.Fatal(err)
		}
		body = string(b)
	}
	delete(e.Headers, "host")
	delete(e.Headers, "content-length")
	o, _ := f.call(t, e.RequestContext.HTTP.Method, e.RawPath, body, e.Headers, want)
	return o
}

// serve starts one of SAM's local services and returns its address.
func (e *environment) serve(t *testing.T, s *stand, what string) string {
	t.Helper()
	port := freePort(t)
	args := append([]string{"local", what, "--host", "127.0.0.1", "--port", port, "--warm-containers", "LAZY"}, e.local(s.template)...)
	c := e.sam(t, args...)
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		if err := <-ended; t.Failed() {
			t.Logf("sam local %s (%v):\n%s", what, err, log.String())
		}
	})
	for range 300 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			return "http://127.0.0.1:" + port
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("sam local %s: %v\n%s", what, err, log.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatalf("sam local %s does not listen after 30 s:\n%s", what, log.String())
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

type flow struct {
	stand  *stand
	api    string
	health string // where the template has the health call
}

// object is a JSON answer.
type object map[string]any

func (o object) text(key string) string { s, _ := o[key].(string); return s }

func (f *flow) call(t *testing.T, method, path, body string, header map[string]string, want int) (object, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.api+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, v := range header {
		r.Header.Set(name, v)
	}
	began := time.Now()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: %d %s (%v), want %d", method, path, resp.StatusCode, raw, err, want)
	}
	t.Logf("%s %s: %d in %s", method, path, resp.StatusCode, time.Since(began).Round(time.Millisecond))
	var o object
	if len(raw) > 0 && json.Unmarshal(raw, &o) != nil {
		t.Fatalf("%s %s: not JSON: %s", method, path, raw)
	}
	return o, resp.Header
}

// until asks for an execution until it has a status.
func (f *flow) until(t *testing.T, id, status string) object {
	t.Helper()
	var o object
	for range 120 {
		o, _ = f.call(t, "GET", "/v1/executions/"+id, "", nil, http.StatusOK)
		if o.text("status") == status {
			return o
		}
		time.Sleep(500 * time.Millisecond) // the container is asked over HTTP, which nothing can wake us from
	}
	t.Fatalf("%s is not %s after a minute: %s", id, status, dump(o))
	return nil
}

func (f *flow) start(t *testing.T, body, key string) string {
	t.Helper()
	o, h := f.call(t, "POST", "/v1/executions", body, map[string]string{"Idempotency-Key": key}, http.StatusAccepted)
	id := o.text("id")
	if h.Get("Location") != "/v1/executions/"+id {
		t.Errorf("Location %q of execution %q", h.Get("Location"), id)
	}
	return id
}

// toItsEnd: the execution waits for a callback, which arrives at the webhook
// function, and ends. The same key never starts a second one.
func (f *flow) toItsEnd(t *testing.T) {
	const body = `{"workflow": "order", "input": {"item": "Öl"}}`
	id := f.start(t, body, "order-1")
	o := f.until(t, id, "waiting")
	m := callback.FindStringSubmatch(dump(o))
	if m == nil {
		t.Fatalf("no callback address: %s", dump(o))
	}
	f.call(t, "POST", "/-/callbacks/"+m[1]+"x", `{"by": "Eve"}`, nil, http.StatusNotFound)
	f.call(t, "POST", "/-/callbacks/"+m[1], `{"by": "Zoë"}`, nil, http.StatusOK)
	o = f.until(t, id, "succeeded")
	if got := dump(o["output"]); got != `{"note":"confirmed by Zoë"}` {
		t.Errorf("output %s", got)
	}
	again, h := f.call(t, "POST", "/v1/executions", body, map[string]string{"Idempotency-Key": "order-1"}, http.StatusOK)
	if again.text("id") != id || h.Get("Idempotency-Replayed") != "true" {
		t.Errorf("started again as %s, %v", dump(again), h)
	}
	if l, _ := f.call(t, "GET", "/v1/executions?workflow=order&status=succeeded", "", nil, http.StatusOK); !strings.Contains(dump(l), id) {
		t.Errorf("not in the list: %s", dump(l))
	}
}

func (f *flow) cancelled(t *testing.T) {
	id := f.start(t, `{"workflow": "order", "input": {"item": "tea"}}`, "order-2")
	f.until(t, id, "waiting")
	f.call(t, "DELETE", "/v1/executions/"+id, "", nil, http.StatusAccepted)
	f.until(t, id, "cancelled")
	f.call(t, "DELETE", "/v1/executions/"+id, "", nil, http.StatusConflict)
}

// poisoned: what cannot be read fails alone, comes back as often as the queue
// allows, and ends as a dead letter. The execution beside it goes on at once.
func (f *flow) poisoned(t *testing.T) {
	for _, body := range []string{"not JSON", `{"v":99,"x":"default#ex_1"}`} {
		if _, err := f.stand.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(f.stand.urls[queue.High]), MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	id := f.start(t, `{"workflow": "order", "input": {"item": "tea"}, "priority": "high"}`, "order-3")
	f.until(t, id, "waiting")
	for range 120 {
		kept, err := f.stand.items(t.Context(), "default#m#")
		if err != nil {
			t.Fatal(err)
		}
		if len(kept) == 2 {
			return
		}
		time.Sleep(500 * time.Millisecond) // the dead-letter function is another process
	}
	t.Error("the two messages are not kept as dead letters after a minute")
}

func (f *flow) refused(t *testing.T) {
	f.call(t, "PUT", "/v1/workflows/order", "name: [order", map[string]string{"Content-Type": "application/yaml"}, http.StatusBadRequest)
	f.call(t, "POST", "/v1/executions", `{"workflow": "nothing"}`, nil, http.StatusNotFound)
	f.call(t, "GET", "/v1/executions/ex_1", "", nil, http.StatusNotFound)
	if o, _ := f.call(t, "GET", f.health, "", nil, http.StatusOK); o.text("status") != "ok" {
		t.Errorf("health: %s", dump(o))
	}
}
