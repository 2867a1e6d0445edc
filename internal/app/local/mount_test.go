package local

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
	"github.com/seed-926d1ba8/stepline/internal/wiring/wiringtest"
)

const template = "../../../template.yaml"

// machine opens a machine on the template with some of its text replaced.
func machine(t *testing.T, edits ...string) *Machine {
	t.Helper()
	return machineWith(t, nil, edits...)
}

// machineWith opens one in an environment.
func machineWith(t *testing.T, vars map[string]string, edits ...string) *Machine {
	t.Helper()
	m, err := opened(t, vars, edits...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m
}

func opened(t *testing.T, vars map[string]string, edits ...string) (*Machine, error) {
	t.Helper()
	w, err := wiring.Read(wiringtest.Copy(t, template, edits...))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Data: t.TempDir(), PublicURL: "http://127.0.0.1:3001"}.WithDefaults()
	return Open(c, w, time.Now, env(vars), slog.New(slog.DiscardHandler))
}

func ask(t *testing.T, m *Machine, method, path string) (status int, body string) {
	t.Helper()
	rec := httptest.NewRecorder()
	m.API().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return rec.Code, rec.Body.String()
}

func TestMovedRoutesAnswerWhereTheTemplateSays(t *testing.T) {
	t.Parallel()
	m := machine(t,
		"Method: GET, Path: /v1/health}", "Method: GET, Path: /healthz}",
		`Method: GET, Path: "/v1/workflows/{name}/versions/{version}"`, `Method: GET, Path: "/w/{version}/of/{name}"`,
		`Method: GET, Path: "/v1/executions/{id}/timeline"`, `Method: POST, Path: "/history/{id}"`)
	for _, c := range []struct {
		method, path string
		want         int
		says         string
	}{
		{http.MethodGet, "/healthz", http.StatusOK, "ok"},
		{http.MethodHead, "/healthz", http.StatusOK, ""},
		{http.MethodDelete, "/healthz", http.StatusMethodNotAllowed, ""},
		{http.MethodGet, "/v1/health", http.StatusNotFound, ""},
		{http.MethodGet, "/v1/workflows", http.StatusOK, "items"},
		{http.MethodPatch, "/v1/workflows", http.StatusMethodNotAllowed, ""},
		{http.MethodGet, "/w/7/of/orders", http.StatusNotFound, "orders"}, // the call was reached: it knows the name
		{http.MethodPost, "/history/ex_1", http.StatusNotFound, "xecution"},
		{http.MethodGet, "/history/ex_1", http.StatusMethodNotAllowed, ""},
		{http.MethodGet, "/elsewhere", http.StatusNotFound, ""},
	} {
		if got, body := ask(t, m, c.method, c.path); got != c.want || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: got %d %s, want %d and %q", c.method, c.path, got, body, c.want, c.says)
		}
	}
}

// TestPathsThatAreNotCleanAreProblems: none is redirected to what it might mean.
func TestPathsThatAreNotCleanAreProblems(t *testing.T) {
	t.Parallel()
	m := machine(t)
	for _, path := range []string{"/v1//executions", "//v1/executions", "/v1/./executions", "/v1/x/../executions", "/v1/x/%2e%2e/executions", "*"} {
		for name, h := range map[string]http.Handler{"API": m.API(), "webhooks": m.Webhooks()} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			var err error
			r.RequestURI = path
			if r.URL, err = url.ParseRequestURI(path); err != nil {
				t.Fatal(err)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if kind := rec.Header().Get("Content-Type"); rec.Code != http.StatusNotFound || kind != "application/problem+json" {
				t.Errorf("%s of %s: got %d %s, want 404 and a problem document", path, name, rec.Code, kind)
			}
		}
	}
}

func TestRoutesThatNoFunctionServes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, with, want string }{
		{"GetHealth:", "GetHealthiness:", "StatusFunction: event GetHealthiness is no call of functions/status; its calls are"},
		{`Path: "/v1/executions/{id}/retry"`, `Path: "/v1/executions/{execution}/retry"`, "with the parameters [execution]; this call has [id]"},
	} {
		if _, err := opened(t, nil, c.old, c.with); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.with, err, c.want)
		}
	}
}

// fill puts n messages on the high lane before anybody takes from it.
func enqueue(t *testing.T, m *Machine, n int) {
	t.Helper()
	for range n {
		if errs := m.Queue.Send(t.Context(), []queue.Message{{Body: []byte("x"), Lane: queue.High}}); errs[0] != nil {
			t.Fatal(errs[0])
		}
	}
}

func TestBatchSizeIsTheTemplates(t *testing.T) {
	t.Parallel()
	for size, m := range map[int]*Machine{10: machine(t), 3: machine(t, "BatchSize: !Ref BatchSize", "BatchSize: 3")} {
		enqueue(t, m, 10)
		ctx, stop := context.WithCancel(t.Context())
		sizes := make(chan int, 10)
		ended := make(chan error)
		go func() {
			ended <- m.pump(queue.High, m.wiring.Lanes[queue.High], nil).Run(ctx, func(_ context.Context, ds []queue.Delivery) []string {
				sizes <- len(ds)
				return nil
			})
		}()
		largest := 0
		for left := 10; left > 0; {
			n := <-sizes
			largest, left = max(largest, n), left-n
		}
		stop()
		if err := <-ended; err != nil || largest != size {
			t.Errorf("the largest batch had %d messages (%v), want %d", largest, err, size)
		}
	}
}

func TestMaxReceiveCountIsTheTemplates(t *testing.T) {
	t.Parallel()
	for most, m := range map[int]*Machine{5: machine(t), 2: machine(t, "maxReceiveCount: !Ref LaneReceives", "maxReceiveCount: 2")} {
		enqueue(t, m, 1)
		ctx, stop := context.WithCancel(t.Context())
		receives := 0
		ended := make(chan error, 2)
		dead := make(chan struct{})
		go func() {
			ended <- m.pump(queue.High, m.wiring.Lanes[queue.High], nil).Run(ctx, func(ctx context.Context, ds []queue.Delivery) []string {
				receives = ds[0].Receives
				_ = m.Queue.Extend(ctx, ds[0], 0) // back at once, without waiting for the visibility timeout
				return []string{ds[0].ID}
			})
		}()
		go func() {
			ended <- m.pump(queue.Dead, m.wiring.Lanes[queue.Dead], nil).Run(ctx, func(context.Context, []queue.Delivery) []string {
				close(dead)
				return nil
			})
		}()
		<-dead
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if receives != most {
			t.Errorf("dead after %d receives, want %d", receives, most)
		}
	}
}
