package local

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/sign"
)

const shopSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// shop is a machine with a source of that name, which starts the workflow count.
func shop(t *testing.T) *Machine {
	t.Helper()
	m := machineWith(t, map[string]string{"STEPLINE_SECRET_SHOP": shopSecret})
	h := m.API()
	for path, doc := range map[string]string{
		"/v1/workflows/count": `{"name": "count", "steps": [{"id": "n", "type": "transform", "output": "{{ input.n + 1 }}"}], "output": "{{ steps.n.output }}"}`,
		"/v1/sources/shop":    `{"name": "shop", "verify": {"secrets": ["shop"]}, "start": {"workflow": "count"}}`,
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPut, path, strings.NewReader(doc)))
		if rec.Code != http.StatusCreated {
			t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	return m
}

// event is a signed event as headers and body.
func event(t *testing.T, id, body string) (map[string]string, string) {
	t.Helper()
	signed, err := sign.Standard(0).Sign(id, time.Now(), []byte(body), shopSecret)
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string]string{"Content-Type": "application/json"}
	for _, h := range signed {
		headers[h.Name] = h.Value
	}
	return headers, body
}

func post(h http.Handler, path string, headers map[string]string, body string) (int, string) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(body))
	for name, v := range headers {
		r.Header.Set(name, v)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// TestAThousandDeliveriesOfOneEvent go through the webhook function at once and
// start one execution, which runs to its end.
func TestAThousandDeliveriesOfOneEvent(t *testing.T) {
	t.Parallel()
	m := shop(t)
	headers, body := event(t, "msg_1", `{"n": 41}`)
	hooks := m.Webhooks()
	const deliveries = 1000
	codes, answers := make([]int, deliveries), make([]string, deliveries)
	var wg sync.WaitGroup
	for i := range deliveries {
		wg.Go(func() { codes[i], answers[i] = post(hooks, "/shop", headers, body) })
	}
	wg.Wait()
	first := 0
	for i, code := range codes {
		if code == http.StatusAccepted {
			first++
		}
		if code != http.StatusAccepted && code != http.StatusOK || answers[i] != answers[0] {
			t.Fatalf("delivery %d: %d %s, want what the others got: %s", i, code, answers[i], answers[0])
		}
	}
	if first != 1 {
		t.Errorf("%d deliveries got 202, want 1", first)
	}
	var got api.Received
	if err := json.Unmarshal([]byte(answers[0]), &got); err != nil || len(got.Executions) != 1 || got.Event != "msg_1" {
		t.Fatalf("got %s, %v", answers[0], err)
	}
	work(t, m)
	if _, err := m.Runner.Await(t.Context(), api.DefaultTenant, got.Executions[0]); err != nil {
		t.Fatal(err)
	}
	all, err := m.History.List(t.Context(), api.DefaultTenant, history.Filter{Limit: 10})
	if err != nil || len(all.Items) != 1 {
		t.Errorf("%d executions, %v, want 1", len(all.Items), err)
	}
	x, err := m.History.Get(t.Context(), api.DefaultTenant, got.Executions[0])
	if err != nil || string(x.Output) != "42" {
		t.Errorf("got %+v, %v", x, err)
	}
}

// work runs the machine until the test ends.
func work(t *testing.T, m *Machine) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Work(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestFlippedBitsGetTheOneRefusal changes each bit of body, signature, timestamp
// and id of a genuine event. Each answer is the one that an unknown source gets,
// byte for byte, and nothing is started.
func TestFlippedBitsGetTheOneRefusal(t *testing.T) {
	t.Parallel()
	m := shop(t)
	headers, body := event(t, "msg_1", `{"n": 41}`)
	hooks := m.Webhooks()
	code, refusal := post(hooks, "/nobody", headers, body)
	if code != http.StatusUnauthorized {
		t.Fatalf("an unknown source gets %d %s", code, refusal)
	}
	tried := 0
	refused := func(what string, headers map[string]string, body string) {
		t.Helper()
		tried++
		if code, answer := post(hooks, "/shop", headers, body); code != http.StatusUnauthorized || answer != refusal {
			t.Errorf("%s: %d %s, want %s", what, code, answer, refusal)
		}
	}
	for bit := range 8 * len(body) {
		refused("body", headers, flipped(body, bit))
	}
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		for bit := range 8 * len(headers[name]) {
			changed := map[string]string{}
			for k, v := range headers {
				changed[k] = v
			}
			changed[name] = flipped(headers[name], bit)
			refused(name, changed, body)
		}
	}
	all, err := m.History.List(t.Context(), api.DefaultTenant, history.Filter{Limit: 10})
	if err != nil || len(all.Items) != 0 {
		t.Errorf("%d executions, %v", len(all.Items), err)
	}
	if tried < 500 {
		t.Errorf("only %d bits were tried", tried)
	}
	if code, answer := post(hooks, "/shop", headers, body); code != http.StatusAccepted {
		t.Errorf("the genuine event gets %d %s", code, answer)
	}
}

func flipped(s string, bit int) string {
	b := []byte(s)
	b[bit/8] ^= 1 << (bit % 8)
	return string(b)
}

// TestWebhookStepsAreEvents: a webhook step of one machine is an event of its
// own source, and the step's retries are one event.
func TestWebhookStepsAreEvents(t *testing.T) {
	t.Parallel()
	m := shop(t)
	var seen sync.Map
	hooks := m.Webhooks()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("webhook-id")
		_, again := seen.LoadOrStore(id, true)
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if !again { // it arrives, and the answer is lost
			hooks.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		hooks.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	h := m.API()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/v1/workflows/tell", strings.NewReader(
		`{"name": "tell", "steps": [{"id": "announce", "type": "webhook", "url": "`+server.URL+`/shop", "body": {"n": 1}, "sign": {"secret": "shop"},
		  "retry": {"strategy": "fixed", "attempts": 3, "initial": "1ms", "jitter": "none"}}], "output": "{{ steps.announce.output }}"}`)))
	if rec.Code != http.StatusCreated {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	rec = httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/executions", strings.NewReader(`{"workflow": "tell"}`)))
	var started struct{ ID string }
	if err := json.Unmarshal(rec.Body.Bytes(), &started); err != nil || rec.Code != http.StatusAccepted {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	work(t, m)
	if _, err := m.Runner.Await(t.Context(), api.DefaultTenant, started.ID); err != nil {
		t.Fatal(err)
	}
	x, err := m.History.Get(t.Context(), api.DefaultTenant, started.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got api.Received
	if err := json.Unmarshal(x.Output, &got); err != nil || got.Event != started.ID+"/announce" || len(x.Steps[0].Attempts) != 2 {
		t.Errorf("%s after %d attempts, %v, %+v; want the event %s/announce after 2", x.Output, len(x.Steps[0].Attempts), err, x.Error, started.ID)
	}
	all, err := m.History.List(t.Context(), api.DefaultTenant, history.Filter{Workflow: "count", Limit: 10})
	if err != nil || len(all.Items) != 1 {
		t.Errorf("%d executions of the event, %v, want 1", len(all.Items), err)
	}
}

func TestSecretsFileThatOthersCanRead(t *testing.T) {
	t.Parallel()
	m := machine(t)
	dir := m.config.Data
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, SecretsFile)
	if err := os.WriteFile(path, []byte("STEPLINE_SECRET_A=topsecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(m.config, m.wiring, time.Now, env(nil), m.log)
	if err == nil || !strings.Contains(err.Error(), "chmod 600") || strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line", err)
	}
}
