package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

func TestStartPassesEverythingOn(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	body := ` {"workflow":"orders", "version": 3, "input": {"a":[1,{"b":"}\""}]}, "priority":"high",
		"tags":{"team":"north"}, "delay":"90s", "timeout":"2h",
		"stepFunctions": {"taskToken": "AQ+/=", "heartbeat": "5m"}} `
	out := b.want(202, "POST", "/v1/executions", body, "Idempotency-Key", "k-1")
	want := runner.StartRequest{
		Tenant: api.DefaultTenant, Workflow: "orders", Version: 3, Input: json.RawMessage(`{"a":[1,{"b":"}\""}]}`),
		Priority: queue.High, Tags: map[string]string{"team": "north"}, Delay: 90 * time.Second, Timeout: 2 * time.Hour,
		Key: "k-1", Body: sha256.Sum256([]byte(body)), Task: &runner.TaskRequest{Token: "AQ+/=", Heartbeat: 5 * time.Minute},
	}
	if got := b.engine.calls; len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Fatalf("the engine was asked %+v\nwant %+v", got, want)
	}
	if got := out.header.Get("Location"); got != "/v1/executions/"+someID {
		t.Errorf("Location = %q", got)
	}
	if strings.Contains(out.body, "AQ+/=") || strings.Contains(out.body, "stepFunctions") {
		t.Errorf("the answer shows the task: %s", out.body)
	}
	if out.header.Get("Idempotency-Replayed") != "" || out.header.Get("Preference-Applied") != "" {
		t.Errorf("headers %v: neither replayed nor waited", out.header)
	}
}

// What the sample state machine sends is a start, and it promises the heartbeats
// that Step Functions then waits for.
func TestSampleTaskIsAStart(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	src, err := os.ReadFile("../../infra/statemachine/shop.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	var machine struct {
		States struct {
			Order struct {
				HeartbeatSeconds int
				Parameters       struct {
					Method, Path string
					RequestBody  json.RawMessage
				}
			}
		}
	}
	if err := json.Unmarshal(src, &machine); err != nil {
		t.Fatal(err)
	}
	task := machine.States.Order
	// What Step Functions puts in for the paths of its context and input.
	body := strings.NewReplacer(`.$"`, `"`, `"$.workflow"`, `"orders"`, `"$.input"`, `{"a":1}`, "$$.Task.Token", "AQCE").Replace(string(task.Parameters.RequestBody))
	b.want(202, task.Parameters.Method, task.Parameters.Path, body)
	got := b.engine.calls[0].(runner.StartRequest)
	want := runner.TaskRequest{Token: "AQCE", Heartbeat: time.Duration(task.HeartbeatSeconds) * time.Second}
	if got.Task == nil || *got.Task != want || got.Workflow != "orders" || string(got.Input) != `{"a":1}` {
		t.Errorf("it is read as %+v with %+v, want %+v", got, got.Task, want)
	}
}

// The answer is written by hand; it must be what encoding would have made.
func TestStartAnswersTheExecution(t *testing.T) {
	t.Parallel()
	until := noon.Add(90 * time.Second)
	for name, c := range map[string]struct {
		body string
		want history.Execution
	}{
		"least": {`{"workflow":"orders"}`, history.Execution{Priority: "normal"}},
		"most": {
			`{"workflow":"orders","input":{"a":1},"priority":"low","tags":{"k\"1":"<ü\n>"},"delay":"90s"}`,
			history.Execution{
				Priority: "low", Tags: map[string]string{`k"1`: "<ü\n>"}, Input: json.RawMessage(`{"a":1}`),
				WaitingFor: []history.Wait{{Reason: "start", Until: &until}},
			},
		},
		"null input": {`{"workflow":"orders","input":null}`, history.Execution{Priority: "normal", Input: json.RawMessage(`null`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			c.want.ID, c.want.Workflow, c.want.Version, c.want.Run, c.want.Status = someID, "orders", 3, 1, record.Queued
			c.want.CreatedAt, c.want.Deadline = noon, noon.Add(time.Hour)
			if c.want.Tags == nil {
				c.want.Tags = map[string]string{}
			}
			if c.want.WaitingFor == nil {
				c.want.WaitingFor = []history.Wait{}
			}
			encoded, err := json.Marshal(c.want)
			if err != nil {
				t.Fatal(err)
			}
			got, want := decode[any](t, b.want(202, "POST", "/v1/executions", c.body)), decode[any](t, reply{body: string(encoded)})
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("answer\n%v\nwant\n%v", got, want)
			}
		})
	}
}

func TestIdempotencyKeyForms(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for header, want := range map[string]string{
		`abc`: "abc", `"abc"`: "abc", ` abc `: "abc", `"a\"b\\c"`: `a"b\c`, `a"b`: `a"b`,
		strings.Repeat("x", 255): strings.Repeat("x", 255), `a,b=c;d`: "a,b=c;d",
	} {
		b.engine.calls = nil
		b.want(202, "POST", "/v1/executions", `{"workflow":"orders"}`, "Idempotency-Key", header)
		if got := b.engine.calls[0].(runner.StartRequest).Key; got != want {
			t.Errorf("key of %q = %q, want %q", header, got, want)
		}
	}
	b.engine.calls = nil
	for _, header := range []string{"", `""`, "a b", `"a b"`, "ü", `"abc`, `"abc"d`, `"a\b"`, `"abc\`, "a\x7f", strings.Repeat("x", 256)} {
		out := b.want(400, "POST", "/v1/executions", `{"workflow":"orders"}`, "Idempotency-Key", header)
		if !strings.Contains(out.body, "Idempotency-Key") {
			t.Errorf("%q: %s does not name the header", header, out.body)
		}
	}
	b.want(400, "POST", "/v1/executions", `{"workflow":"orders"}`, "Idempotency-Key", "a", "Idempotency-Key", "a")
	if len(b.engine.calls) != 0 {
		t.Errorf("the engine was asked %v", b.engine.calls)
	}
}

func ended(status record.Status) *history.Execution {
	end := noon.Add(time.Second)
	return &history.Execution{
		ID: someID, Workflow: "orders", Version: 3, Run: 1, Status: status, Priority: "normal", Tags: map[string]string{},
		CreatedAt: noon, StartedAt: &noon, EndedAt: &end, Deadline: noon.Add(time.Hour),
		Output: json.RawMessage(`{"ok":true}`), WaitingFor: []history.Wait{}, Cost: &history.Cost{WriteUnits: 8},
		Steps: []history.Step{{ID: "one", Type: "http", Status: record.StepSucceeded, Attempts: []history.Attempt{}}},
	}
}

func TestPreferWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prefer  string
		wait    time.Duration // that the engine was given; 0: it was not asked to wait
		applied string
	}{
		"plain":          {"wait=5", 5 * time.Second, "wait=5"},
		"clamped":        {"wait=600", 25 * time.Second, "wait=25"},
		"far too long":   {"wait=99999999999999999999999", 25 * time.Second, "wait=25"},
		"in quotes":      {`wait="4"`, 4 * time.Second, "wait=4"},
		"in a string":    {`foo="a, wait=3"`, 0, ""},
		"after a string": {`foo="a\", wait=3"; bar=";,", wait=6`, 6 * time.Second, "wait=6"},
		"open string":    {`foo="a, wait=3`, 0, ""},
		"parameter":      {`foo; wait=3`, 0, ""},
		"among others":   {`respond-async, Wait = "7"; x=y, wait=9`, 7 * time.Second, "wait=7"},
		"zero":           {"wait=0", 0, "wait=0"},
		"not a number":   {"wait=soon", 0, ""},
		"negative":       {"wait=-1", 0, ""},
		"something else": {"return=minimal", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			b.reads.x = ended(record.Succeeded)
			waited := time.Duration(0)
			b.engine.await = func(ctx context.Context) error {
				deadline, _ := ctx.Deadline()
				waited = time.Until(deadline).Round(time.Second)
				return nil
			}
			out := b.do("POST", "/v1/executions", `{"workflow":"orders"}`, "Prefer", c.prefer)
			if waited != c.wait || out.header.Get("Preference-Applied") != c.applied {
				t.Fatalf("waited %v, applied %q; want %v and %q", waited, out.header.Get("Preference-Applied"), c.wait, c.applied)
			}
			status := 202
			if c.wait > 0 {
				status = 200
			}
			if x := decode[history.Execution](t, out); out.status != status || (status == 200) != (len(x.Steps) == 1 && string(x.Output) == `{"ok":true}`) {
				t.Fatalf("%d %s; want %d, with steps and output if 200", out.status, out.body, status)
			}
		})
	}
}

// An end that the engine knows is answered as it is, without a read.
func TestPreferWaitKnowsTheEnd(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.reads.err = errors.New("read all the same")
	b.engine.end = &runner.Ended{
		Meta:  &record.Meta{ID: someID, Status: record.Succeeded},
		Steps: map[string]*record.Step{"known": {ID: "known"}},
	}
	out := b.do("POST", "/v1/executions", `{"workflow":"orders"}`, "Prefer", "wait=5")
	if x := decode[history.Execution](t, out); out.status != 200 || x.ID != someID || len(x.Steps) != 1 || x.Steps[0].ID != "known" {
		t.Fatalf("%d %s; want 200 with the step known", out.status, out.body)
	}
}

// Once started, nothing that goes wrong in waiting or reading is an error: the
// caller must learn the id.
func TestAfterAStartNothingFails(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(b *bundle){
		"not ended in time": func(b *bundle) { b.engine.await = func(context.Context) error { return context.DeadlineExceeded } },
		"wait broken":       func(b *bundle) { b.engine.await = func(context.Context) error { return errors.New("broken") } },
		"read broken":       func(b *bundle) { b.reads.err = errors.New("broken") },
		"read is late":      func(b *bundle) { b.reads.x = ended(record.Running) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			set(b)
			out := b.want(202, "POST", "/v1/executions", `{"workflow":"orders"}`, "Prefer", "wait=1")
			if x := decode[history.Execution](t, out); x.ID != someID || out.header.Get("Location") == "" {
				t.Fatalf("answer %s, headers %v: want the id", out.body, out.header)
			}
		})
	}
}

// Whoever has waited in vain learns what it waits for, not how it began.
func TestAWaitInVainShowsTheState(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.engine.await = func(context.Context) error { return context.DeadlineExceeded }
	b.reads.x = ended(record.Waiting)
	b.reads.x.WaitingFor = []history.Wait{{Step: "one", Reason: "callback"}}
	out := b.want(202, "POST", "/v1/executions", `{"workflow":"orders"}`, "Prefer", "wait=1")
	if x := decode[history.Execution](t, out); x.Status != record.Waiting || len(x.WaitingFor) != 1 || x.Steps != nil {
		t.Errorf("answer %s: want it waiting for the callback, without steps", out.body)
	}
}

// A server that drains lets nobody wait: the start is answered as it stands,
// and what follows the wait is not cut.
func TestAWaitEndsWhenTheServerDrains(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.reads.x = ended(record.Running)
	drain, begin := context.WithCancel(t.Context())
	var why error
	b.engine.await = func(ctx context.Context) error {
		begin()
		<-ctx.Done()
		why = ctx.Err()
		return why
	}
	r := httptest.NewRequestWithContext(api.WithDrain(t.Context(), drain), "POST", "/v1/executions", strings.NewReader(`{"workflow":"orders"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", "wait=25")
	out := b.serve(r)
	if !errors.Is(why, context.Canceled) {
		t.Errorf("the wait ended with %v, want it ended by the drain", why)
	}
	if x := decode[history.Execution](t, out); out.status != 202 || x.ID != someID || x.Status != record.Running {
		t.Errorf("%d %s; want 202 and the execution, running", out.status, out.body)
	}
	if r.Context().Err() != nil {
		t.Error("the request itself was cut")
	}
}

func TestReplays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ended  bool
		x      *history.Execution
		err    error
		status int
		shown  record.Status
		steps  int
	}{
		"open":          {false, ended(record.Waiting), nil, 202, record.Waiting, 0},
		"ended":         {true, ended(record.Failed), nil, 200, record.Failed, 1},
		"ended just so": {false, ended(record.Succeeded), nil, 200, record.Succeeded, 1},
		"not readable":  {false, nil, errors.New("broken"), 500, "", 0},
		"gone":          {true, nil, nil, 202, record.Queued, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			b.engine.started = runner.Started{
				ID: someID, Workflow: "orders", Version: 3, Replayed: true, Ended: c.ended, Created: noon, Deadline: noon.Add(time.Hour),
			}
			b.reads.x, b.reads.err = c.x, c.err
			out := b.want(c.status, "POST", "/v1/executions", `{"workflow":"orders"}`, "Idempotency-Key", "k")
			if out.header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("headers %v: want Idempotency-Replayed", out.header)
			}
			if c.status == 500 {
				return
			}
			if x := decode[history.Execution](t, out); x.ID != someID || x.Status != c.shown || len(x.Steps) != c.steps {
				t.Errorf("answer %s; want status %s and %d steps", out.body, c.shown, c.steps)
			}
		})
	}
}

func TestAReplayWaitsToo(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.engine.started = runner.Started{ID: someID, Workflow: "orders", Version: 3, Replayed: true, Created: noon, Deadline: noon}
	b.reads.x = ended(record.Running)
	b.engine.await = func(context.Context) error {
		b.reads.x = ended(record.Succeeded)
		return nil
	}
	b.want(200, "POST", "/v1/executions", `{"workflow":"orders"}`, "Idempotency-Key", "k", "Prefer", "wait=5")
}

func TestStartErrorsOfTheEngine(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for code, status := range map[problem.Code]int{problem.NotFound: 404, problem.Invalid: 422, problem.KeyReused: 422, problem.Unavailable: 503} {
		b.engine.err = problem.New(code, "the engine's sentence")
		out := b.want(status, "POST", "/v1/executions", `{"workflow":"orders"}`)
		p := decode[api.Problem](t, out)
		if p.Type != api.ProblemType+string(code) || p.Detail != "the engine's sentence" || out.header.Get("Location") != "" {
			t.Errorf("%s: %s", code, out.body)
		}
		if (code == problem.Unavailable) != (out.header.Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After = %q", code, out.header.Get("Retry-After"))
		}
	}
}
