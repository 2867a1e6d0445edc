package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/app/local"
)

// slow is a service that keeps the first caller waiting until that one goes
// away, and answers the others at once.
type slow struct {
	*httptest.Server
	called chan string // the keys, as they come

	mu    sync.Mutex
	calls int
}

func newSlow(t *testing.T) *slow {
	t.Helper()
	s := &slow{called: make(chan string, 10)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the caller has gone
		s.mu.Lock()
		s.calls++
		first := s.calls == 1
		s.mu.Unlock()
		s.called <- r.Header.Get("Idempotency-Key")
		if first {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"done": true}`)
	}))
	t.Cleanup(s.Close)
	return s
}

func document(url string) string {
	return fmt.Sprintf(`{"name": "slow", "steps": [
		{"id": "before", "type": "http", "request": {"url": %q}, "when": "false"},
		{"id": "call", "type": "http", "request": {"method": "POST", "url": %q}}],
		"output": "{{ steps.call.output.done }}"}`, url, url)
}

// TestWhatIsInHandIsHandedOver: when the drain is over the call is cut, the
// execution released, and the next start goes on with it, under the same key.
func TestWhatIsInHandIsHandedOver(t *testing.T) {
	t.Parallel()
	service := newSlow(t)
	data := t.TempDir()
	c := local.Config{
		Addr: "127.0.0.1:0", WebhookAddr: "127.0.0.1:0", Data: data, Template: template,
		NoDemo: true, Drain: 200 * time.Millisecond,
	}.WithDefaults()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	p := &program{t: t, lines: make(chan string, 100)}
	go p.read(out)
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, c, func(string) string { return "" }, in, slog.New(slog.DiscardHandler))
		in.Close()
	}()
	p.api = p.await(`^ *API +(\S+)`)
	var started struct{ ID string }
	if code := p.call(http.MethodPut, "/workflows/slow", document(service.URL), nil); code != http.StatusCreated {
		t.Fatalf("PUT: %d", code)
	}
	if code := p.call(http.MethodPost, "/executions", `{"workflow": "slow"}`, &started); code != http.StatusAccepted {
		t.Fatalf("POST: %d", code)
	}
	key := <-service.called
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the program ended with %v", err)
		}
	case <-time.After(c.Drain + 5*time.Second):
		t.Fatal("the program did not end")
	}

	again := start(t, "-no-demo", "-data", data)
	again.succeeds(started.ID)
	if second := <-service.called; second != key || key != started.ID+"/call" {
		t.Errorf("keys %q and %q, want %s/call twice", key, second, started.ID)
	}
	again.end()
}

// TestWhoWaitsIsAnsweredAtTheEnd: a start that waits for its execution is
// answered when the program ends, with what it has started.
func TestWhoWaitsIsAnsweredAtTheEnd(t *testing.T) {
	t.Parallel()
	p := start(t, "-no-demo", "-data", t.TempDir())
	p.call(http.MethodPut, "/workflows/long", `{"name": "long", "steps": [{"id": "a", "type": "wait", "duration": "1h"}]}`, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.api+"/executions", strings.NewReader(`{"workflow": "long"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Prefer", "wait=25")
	answers := make(chan string, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			answers <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answers <- fmt.Sprintf("%d %s", res.StatusCode, b)
	}()
	id := p.onlyExecution()
	p.end()
	if got := <-answers; !strings.HasPrefix(got, "202 ") || !strings.Contains(got, id) {
		t.Errorf("who waited got %s, want 202 with %s", got, id)
	}
}

// onlyExecution waits until there is an execution, and is its id.
func (p *program) onlyExecution() string {
	p.t.Helper()
	var list struct{ Items []struct{ ID string } }
	for late := time.Now().Add(20 * time.Second); time.Now().Before(late); time.Sleep(20 * time.Millisecond) { // the program is asked as its users do
		if p.call(http.MethodGet, "/executions", "", &list); len(list.Items) > 0 {
			return list.Items[0].ID
		}
	}
	p.t.Fatalf("no execution after 20 s\n%s", p.errs.String())
	return ""
}

// TestAKilledProgramGoesOn: kill -9 in the middle of a call.
func TestAKilledProgramGoesOn(t *testing.T) {
	t.Parallel()
	service := newSlow(t)
	data := t.TempDir()
	p := start(t, "-no-demo", "-data", data)
	p.call(http.MethodPut, "/workflows/slow", document(service.URL), nil)
	var started struct{ ID string }
	p.call(http.MethodPost, "/executions", `{"workflow": "slow"}`, &started)
	<-service.called
	p.stop(syscall.SIGKILL)

	again := start(t, "-no-demo", "-data", data)
	again.succeeds(started.ID)
	again.end()
}

// succeeds waits until the execution has succeeded.
func (p *program) succeeds(id string) {
	p.t.Helper()
	var ex struct {
		Status string
		Error  json.RawMessage
	}
	for late := time.Now().Add(20 * time.Second); time.Now().Before(late); time.Sleep(20 * time.Millisecond) { // the program is asked as its users do
		if p.call(http.MethodGet, "/executions/"+id, "", &ex); ex.Status == "succeeded" {
			return
		}
	}
	p.t.Fatalf("%s is %s (%s) after 20 s, want succeeded\n%s", id, ex.Status, ex.Error, p.errs.String())
}

// TestEndIsPromptWhenNothingIsInHand: the end comes promptly when nothing is in hand, even with a
// connection that is kept open.
func TestEndIsPromptWhenNothingIsInHand(t *testing.T) {
	t.Parallel()
	p := start(t, "-no-demo", "-data", t.TempDir())
	p.call(http.MethodGet, "/health", "", nil)
	begun := time.Now()
	p.end()
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestHelpIsForPeople(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	status := run(t.Context(), []string{"-help"}, func(string) string { return "" }, &out, &errs)
	if status != 0 || errs.Len() > 0 || !strings.Contains(out.String(), "-webhook-addr") {
		t.Errorf("status %d\n%s%s", status, out.String(), errs.String())
	}
}
