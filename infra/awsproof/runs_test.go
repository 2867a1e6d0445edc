//go:build aws

package awsproof

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// mixed is a workflow with parallel branches, a condition, a step that fails
// twice, a wait and a transform.
func mixed(url string) string {
	return strings.ReplaceAll(`name: mixed
steps:
  - {id: first, type: http, request: {method: POST, url: "URL/first"}}
  - {id: left, type: http, needs: [first], request: {method: POST, url: "URL/flaky"}, retry: {strategy: fixed, attempts: 20, initial: 1s, max: 1s, jitter: none}}
  - {id: right, type: http, needs: [first], request: {method: POST, url: "URL/right"}}
  - {id: never, type: http, needs: [first], when: "false", request: {method: POST, url: "URL/never"}}
  - {id: rest, type: wait, needs: [left, right, never], duration: 2s}
  - {id: sum, type: transform, output: {ok: "{{ steps.left.output.ok and steps.right.output.ok }}"}}
  - {id: last, type: http, request: {method: POST, url: "URL/last"}}
output: {ok: "{{ steps.sum.output.ok }}"}
`, "URL", url)
}

// Whole runs on both drivers, by a worker process: straight through, cancelled,
// paused and resumed, called back.
func TestWholeRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	called := calledtest.New(t, 0)
	w.register(mixed(called.URL))
	w.register("name: long\nsteps:\n  - {id: pause, type: wait, duration: 3h}\n")
	w.register("name: asked\nsteps:\n  - {id: answer, type: callback, timeout: 1h}\noutput: {said: \"{{ steps.answer.output.word }}\"}\n")
	w.worker(build(t, tree), "-sweep", "6s")

	straight := w.start(20, "mixed")
	cancelled := w.start(1, "long")
	asked := w.start(5, "asked")
	ctx := t.Context()
	w.until(cancelled[0], record.Waiting)
	if err := w.Runner.Cancel(ctx, tenant, cancelled[0]); err != nil {
		t.Error(err)
	}
	paused := w.start(1, "mixed")
	if err := w.Runner.Pause(ctx, tenant, paused[0]); err != nil {
		t.Error(err)
	}
	w.until(paused[0], record.Paused)
	if err := w.Runner.Resume(ctx, tenant, paused[0], runner.Decision{}); err != nil {
		t.Error(err)
	}
	for _, id := range asked {
		m := w.until(id, record.Waiting)
		_, token, _ := strings.Cut(w.Runner.CallbackURL(m, "answer"), "/-/callbacks/")
		if err := w.Runner.Callback(ctx, token, []byte(`{"word":"yes"}`)); err != nil {
			t.Error(err)
		}
	}
	if ends := w.ends(append(append(straight, asked...), paused...), 2*time.Minute); ends[record.Succeeded] != 26 {
		t.Errorf("%v, want 26 succeeded", ends)
	}
	if ends := w.ends(cancelled, time.Minute); ends[record.Cancelled] != 1 {
		t.Errorf("the cancelled one: %v", ends)
	}
	e, err := w.History.Get(ctx, tenant, asked[0])
	if err != nil || string(e.Output) != `{"said":"yes"}` {
		t.Errorf("output %s, %v", e.Output, err)
	}
	for key, n := range called.Snapshot() {
		if want := map[bool]int{true: 3, false: 1}[strings.HasSuffix(key, "/left")]; n != want {
			t.Errorf("%s was called %d times, want %d", key, n, want)
		}
	}
	w.wantNoDeadLetters()
}

// until waits for an execution's status.
func (w *world) until(id string, want record.Status) *record.Meta {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) { // other processes work; the table cannot call us
		m := w.metas([]string{id})[0]
		if m.Status == want {
			return m
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s is %s after a minute, want %s", id, m.Status, want)
		}
	}
}

// Two worker processes race for every message, each of which is there three
// times; and two processes start with the same keys. Every step is called once,
// every key starts one execution.
func TestProcessesRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	called := calledtest.New(t, 20*time.Millisecond)
	w.register(calledtest.Five("five", called.URL, brief))
	other, err := reopen(w, 0)
	if err != nil {
		t.Fatal(err)
	}
	const keys = 100
	var ids [2][keys]string
	var wg sync.WaitGroup
	for i := range keys {
		for at, one := range []*runner.Runner{w.Runner, other.Runner} {
			wg.Go(func() {
				s, err := one.Start(t.Context(), runner.StartRequest{
					Tenant: tenant, Workflow: "five", Input: []byte(`{}`), Key: fmt.Sprint("key ", i), Body: sha256.Sum256(nil),
				})
				if err != nil {
					t.Error(err)
				}
				ids[at][i] = s.ID
			})
		}
	}
	wg.Wait()
	if ids[0] != ids[1] {
		t.Errorf("two starters with the same keys have started\n%v and\n%v", ids[0], ids[1])
	}
	for _, id := range ids[0] {
		body := record.Message{PK: record.PK(tenant, id), Run: 1, Why: record.WhyStart}.Encode()
		m := queue.Message{Body: body, Lane: queue.Normal}
		for _, err := range w.Queue.Send(context.Background(), []queue.Message{m, m}) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	bin := build(t, tree)
	w.worker(bin)
	w.worker(bin)
	if ends := w.ends(ids[0][:], 3*time.Minute); ends[record.Succeeded] != keys {
		t.Errorf("%v, want %d succeeded", ends, keys)
	}
	calls := called.Snapshot()
	for key, n := range calls {
		if n != 1 {
			t.Errorf("%s was called %d times", key, n)
		}
	}
	if len(calls) != 5*keys {
		t.Errorf("%d steps were called, want %d", len(calls), 5*keys)
	}
	w.wantNoDeadLetters()
}
