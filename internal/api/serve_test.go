package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for sent, want := range map[string]string{
		"abc-123_x.y:z=": "abc-123_x.y:z=", "": "req-1", "a b": "req-1", "a\"b": "req-1", strings.Repeat("x", 129): "req-1", "ü": "req-1",
	} {
		if got := b.want(200, "GET", "/v1/health", "", "X-Request-Id", sent).header.Get("X-Request-Id"); got != want {
			t.Errorf("sent %q, got %q, want %q", sent, got, want)
		}
	}
}

func TestWithoutARequestIDOneIsMade(t *testing.T) {
	t.Parallel()
	a, err := api.New(api.Config{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.Handler(api.Status).ServeHTTP(w, httptest.NewRequest("GET", "/v1/health", nil))
	if id := w.Header().Get("X-Request-Id"); len(id) < 16 {
		t.Fatalf("X-Request-Id = %q, want a random one", id)
	}
}

// What goes wrong on our side is in the log, never in the answer.
func TestOurOwnFaultsStayInside(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.reads.err = errors.New("secret detail")
	out := b.want(500, "GET", one, "")
	if strings.Contains(out.body, "secret") {
		t.Errorf("the answer tells: %s", out.body)
	}
	if log := b.log.String(); !strings.Contains(log, "secret detail") || !strings.Contains(log, "request=req-1") {
		t.Errorf("the log does not tell: %s", log)
	}
}

// Who has gone is no trouble of ours, a function that has run out of time is.
func TestRunningOutOfTimeIsLogged(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, c := range []struct {
		ctx  context.Context
		want bool
	}{{over, true}, {gone, false}} {
		var log bytes.Buffer
		a, err := api.New(api.Config{Now: func() time.Time { return noon }, Reads: &fakeReads{err: c.ctx.Err()}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		a.Handler(api.Status).ServeHTTP(w, httptest.NewRequestWithContext(c.ctx, "GET", one, nil))
		if logged := strings.Contains(log.String(), "request failed"); w.Code != http.StatusServiceUnavailable || logged != c.want {
			t.Errorf("%v: answered %d, logged %q", c.ctx.Err(), w.Code, log.String())
		}
	}
}

func TestAPanicIsA500(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.engine.await = func(context.Context) error { panic("secret detail") }
	out := b.want(500, "POST", start, `{"workflow":"a"}`, "Prefer", "wait=1")
	if out.header.Get("Content-Type") != "application/problem+json" || strings.Contains(out.body, "secret") {
		t.Errorf("answer %s", out.body)
	}
	if log := b.log.String(); !strings.Contains(log, "secret detail") || !strings.Contains(log, "serve.go") {
		t.Errorf("the log lacks the panic or its stack: %s", log)
	}
}

func TestErrorsOfTheStore(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for _, c := range []struct {
		err    error
		status int
		after  string
	}{
		{table.ErrBusy, 503, "1"}, {table.ErrFull, 503, "30"}, {table.ErrUnknown, 503, "1"},
		{queue.ErrBusy, 503, "1"}, {context.DeadlineExceeded, 503, "1"}, {errors.New("what"), 500, ""},
		{fmt.Errorf("deep: %w", table.ErrFull), 503, "30"},
		{&problem.Error{Code: problem.Unavailable, Detail: "try again", Cause: table.ErrFull}, 503, "30"},
	} {
		b.engine.err = c.err
		out := b.want(c.status, "DELETE", one, "")
		if out.header.Get("Retry-After") != c.after {
			t.Errorf("%v: Retry-After %q, want %q", c.err, out.header.Get("Retry-After"), c.after)
		}
	}
}

// A callback's token is all that its holder needs to complete the step, so no
// line of the log shows it, whatever goes wrong.
func TestTheLogHidesCallbackTokens(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/-/callbacks/tok.mac":     "/-/callbacks/…",
		"/-/callbacks/tok.mac/x/y": "/-/callbacks/…",
		"/-/callbacks/":            "/-/callbacks/…",
		"/v1/executions/ex_1":      "/v1/executions/ex_1",
		"/":                        "/",
	} {
		if got := api.LogPath(httptest.NewRequest("POST", path, nil)); got != want {
			t.Errorf("%s is logged as %s, want %s", path, got, want)
		}
	}
	const token = "tok3n.mac"
	for name, goesWrong := range map[string]func(*fakeEngine) (status int){
		"busy":  func(e *fakeEngine) int { e.err = table.ErrBusy; return 503 },
		"fault": func(e *fakeEngine) int { e.err = errors.New("what"); return 500 },
		"panic": func(e *fakeEngine) int { e.panics = true; return 500 },
	} {
		b := newBundle(t)
		b.want(goesWrong(b.engine), "POST", "/-/callbacks/"+token, `{}`)
		if log := b.log.String(); !strings.Contains(log, "/-/callbacks/…") || strings.Contains(log, token) {
			t.Errorf("%s: the log is to show the path without its token: %s", name, log)
		}
	}
}

func TestHeadAnswersLikeGet(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	get, err := http.Get(s.URL + "/v1/health")
	if err != nil {
		t.Fatal(err)
	}
	defer get.Body.Close()
	head, err := http.Head(s.URL + "/v1/health")
	if err != nil {
		t.Fatal(err)
	}
	defer head.Body.Close()
	if head.StatusCode != 200 || head.ContentLength != get.ContentLength || head.ContentLength <= 0 {
		t.Errorf("HEAD %d with length %d, GET has %d", head.StatusCode, head.ContentLength, get.ContentLength)
	}
}

func TestUncleanPathsAreNotRedirected(t *testing.T) {
	t.Parallel()
	a, err := api.New(api.Config{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"//v1/health", "/v1//health", "/v1/../v1/health", "/v1/./health"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		a.Handler(api.Status).ServeHTTP(w, r)
		if w.Code != 404 || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %v, want a problem 404", path, w.Code, w.Header())
		}
	}
}

// A function serves its own calls only.
func TestFunctionsServeTheirOwnCallsOnly(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for _, function := range []string{api.Execute, api.Status, api.Cancel, api.Admin, api.Webhook, ""} {
		a, err := api.New(api.Config{Engine: b.engine, Reads: b.reads, Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		h := a.Handler(function)
		for _, route := range api.Routes() {
			if route.Function == function {
				continue
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(route.Method, strings.NewReplacer("{id}", someID, "{", "", "}", "").Replace(route.Pattern), nil))
			if w.Code != 404 {
				t.Errorf("function %q answers %s %s with %d", function, route.Method, route.Pattern, w.Code)
			}
		}
	}
}

func TestLocalOnly(t *testing.T) {
	t.Parallel()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	h := api.LocalOnly(ok, []string{"stepline.example.com"})
	for _, c := range []struct {
		host, origin string
		status       int
	}{
		{"127.0.0.1:3000", "", 204},
		{"localhost:3000", "", 204},
		{"LOCALHOST.:3000", "", 204},
		{"[::1]:3000", "", 204},
		{"127.8.9.1", "", 204},
		{"stepline.example.com", "", 204},
		{"Stepline.Example.com:443", "", 204},
		{"localhost:3000", "http://localhost:3000", 204},
		{"evil.example", "", 403},
		{"localhost.evil.example:3000", "", 403},
		{"169.254.169.254", "", 403},
		{"", "", 403},
		{"10.0.0.1:3000", "", 403},
		{"localhost:3000", "http://evil.example", 403},
		{"localhost:3000", "http://localhost:8080", 403},
		{"localhost:3000", "null", 403},
		{"localhost:3000", "http://localhost:3000.evil.example", 403},
		{"localhost:3000", "::", 403},
	} {
		r := httptest.NewRequest("POST", "/v1/executions", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || c.status == 403 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("Host %q, Origin %q: %d %s, want %d", c.host, c.origin, w.Code, w.Body, c.status)
		}
	}
}
