package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/app"
	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table/tabletest"
)

// client talks to the services. It is also what their steps call.
type client struct {
	t      *testing.T
	mux    *http.ServeMux
	secret string // of the sources
	keys   atomic.Int32
	calls  atomic.Int32
	broken atomic.Bool // what the step "bad" calls
}

// newClient sets the services up behind the adversary of a seed, 0 for none,
// with a worker, and a sweeper each minute.
func newClient(t *testing.T, seed uint64) *client {
	t.Helper()
	c := &client{t: t, mux: http.NewServeMux(), secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	ports := app.Ports{Table: embedded(t), Queue: &delayed{}, HTTP: c, Secrets: c, Now: time.Now, Incarnation: "p1"}
	if seed > 0 {
		ports.Table = tabletest.Adversary(ports.Table, seed)
	}
	s, err := app.New(ports, app.Config{Keys: [][]byte{make([]byte, 32)}, PublicURL: "http://localhost"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range api.Routes() {
		c.mux.Handle(r.Method+" "+r.Pattern, s.HTTP(r.Function))
	}
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { ports.Queue.(*delayed).run(ctx, s.Runner.Handle) })
	work.Go(func() {
		for tick := time.Tick(time.Minute); ctx.Err() == nil; {
			select {
			case <-tick:
				_ = s.Runner.Sweep(ctx) // what fails is swept again
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() {
		stop()
		work.Wait()
	})
	return c
}

// Resolve implements webhook.Secrets.
func (c *client) Resolve(context.Context, string) (string, error) { return c.secret, nil }

// Call implements step.Caller.
func (c *client) Call(_ context.Context, call step.Call) step.Result {
	c.calls.Add(1)
	if strings.HasSuffix(call.Key, "/bad") && c.broken.Load() {
		return step.Result{Err: &step.Error{Category: retry.ClientError, Code: "400", Message: "no"}}
	}
	return step.Result{Output: json.RawMessage(`{"ok":true}`), Response: &step.Response{Status: 200}}
}

// ask makes a request, and again while the answer is to try again later.
func (c *client) ask(method, target, body string, header ...string) (status int, answer string) {
	for {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		if c.mux.ServeHTTP(w, r); w.Code != http.StatusServiceUnavailable {
			return w.Code, w.Body.String()
		}
		time.Sleep(time.Second) // of the bubble: a Retry-After
	}
}

// want makes a request and demands this status.
func (c *client) want(status int, method, target, body string, header ...string) string {
	c.t.Helper()
	got, answer := c.ask(method, target, body, header...)
	if got != status {
		c.t.Fatalf("%s %s %s is answered with %d %s, want %d", method, target, body, got, answer, status)
	}
	return answer
}

func (c *client) read(body string, into any) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(body), into); err != nil {
		c.t.Fatalf("%s: %v", body, err)
	}
}

// put registers a document of these steps, one a line.
func (c *client) put(name, steps string, status int) {
	c.t.Helper()
	c.want(status, "PUT", "/v1/workflows/"+name, fmt.Sprintf(`{"name":%q,"steps":[%s]}`, name, strings.ReplaceAll(steps, "\n", ",")))
}

// start starts an execution, with a key: only then may a client ask again.
func (c *client) start(workflow string) string {
	c.t.Helper()
	var x history.Execution
	key := fmt.Sprint("key-", c.keys.Add(1))
	c.read(c.want(202, "POST", "/v1/executions", fmt.Sprintf(`{"workflow":%q}`, workflow), "Idempotency-Key", key), &x)
	return x.ID
}

func (c *client) get(id string) (x history.Execution) {
	c.t.Helper()
	c.read(c.want(200, "GET", "/v1/executions/"+id, ""), &x)
	return x
}

// until looks at an execution until it is as wanted, for two hours.
func (c *client) until(what, id string, as func(history.Execution) bool) history.Execution {
	c.t.Helper()
	for range 7200 {
		if x := c.get(id); as(x) {
			return x
		}
		time.Sleep(time.Second) // of the bubble
	}
	c.t.Fatalf("%s is never %s, but %+v", id, what, c.get(id))
	return history.Execution{}
}

func (c *client) waits(id string) history.Execution {
	c.t.Helper()
	return c.until("waiting", id, func(x history.Execution) bool { return x.Status == record.Waiting })
}

func (c *client) ends(id string, as record.Status) history.Execution {
	c.t.Helper()
	x := c.until("over", id, func(x history.Execution) bool {
		return x.Status.Terminal() && (as != record.Succeeded || x.Status != record.Failed)
	})
	if x.Status != as {
		c.t.Errorf("%s is %s, want %s", id, x.Status, as)
	}
	return x
}

// delayed is a queue in memory. What fails comes back after 90 seconds.
type delayed struct {
	queue.Queue
	mu   sync.Mutex
	ms   []due
	sent int
}

type due struct {
	queue.Delivery
	at time.Time
}

func (q *delayed) Send(_ context.Context, ms []queue.Message) []error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range ms {
		q.sent++
		q.ms = append(q.ms, due{queue.Delivery{ID: fmt.Sprint("m", q.sent), Body: m.Body, Lane: m.Lane}, time.Now().Add(m.Delay)})
	}
	return make([]error, len(ms))
}

func (q *delayed) Extend(context.Context, queue.Delivery, time.Duration) error { return nil }

func (q *delayed) Depth(context.Context, queue.Lane) (visible, inFlight, delayed int, err error) {
	return 0, 0, 0, nil
}

// run hands out what is due, each message on its own.
func (q *delayed) run(ctx context.Context, h queue.Handler) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		for _, m := range q.take() {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				m.Receives++
				if len(h(ctx, []queue.Delivery{m.Delivery})) > 0 {
					q.mu.Lock()
					defer q.mu.Unlock()
					q.ms = append(q.ms, due{m.Delivery, time.Now().Add(90 * time.Second)})
				}
			})
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (q *delayed) take() (now []due) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ms = slices.DeleteFunc(q.ms, func(m due) bool {
		ready := !m.at.After(time.Now())
		if ready {
			now = append(now, m)
		}
		return ready
	})
	return now
}
