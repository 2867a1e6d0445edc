package runner_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/table/tabletest"
)

// journey is a run that does all that a run can do: a parallel branch, a retry
// that a message wakes and that the sweep passes, a skipped step, a callback,
// and a wait so long that only the due index knows of it.
const journey = `
name: journey
steps:
  - {id: a, type: http, request: {url: "http://there/a"}}
  - {id: b, type: http, request: {url: "http://there/b"}, needs: [a], retry: {strategy: fixed, initial: 4m, max: 4m, attempts: 3, jitter: none}}
  - {id: c, type: http, request: {url: "http://there/c"}, needs: [a]}
  - {id: d, type: http, request: {url: "http://there/d"}, needs: [a], when: "steps.a.output.from == 'elsewhere'"}
  - {id: t, type: transform, needs: [b, c, d], output: ["{{ steps.b.output.from }}", "{{ steps.c.output.from }}", "{{ steps.d.status }}"]}
  - {id: k, type: callback, timeout: 1h, request: {url: "http://there/k", body: "{{ callback.url }}"}}
  - {id: w, type: wait, duration: 20m}
  - {id: z, type: http, request: {url: "http://there/z", body: "{{ steps.t.output }}"}}
output: {t: "{{ steps.t.output }}", k: "{{ steps.k.output }}", z: "{{ steps.z.output }}"}
`

// arrival is what a journey has come to, and the calls it took.
type arrival struct {
	status record.Status
	output string
	steps  map[string]string
	calls  map[string]int
	took   time.Duration
	points int
	died   bool
}

// travel goes on a journey with two workers, the sweeper, a client that asks
// again with its key until it has an answer, and somebody who calls back.
func travel(w *world) (e arrival) {
	w.document(journey)
	for i, step := range []string{"a", "b", "c", "d", "k", "z"} {
		ok := answer{after: time.Duration(10+7*i) * time.Millisecond, then: w.notYetDone}
		w.answers(step, ok)
		if step == "b" {
			no := ok
			no.fails = retry.Upstream
			w.answers(step, no, ok)
		}
	}
	w.pair()
	w.cron()
	id := w.insists()
	w.until("the callback is announced", 2*time.Hour, func() bool { return len(w.calls(id, "k")) > 0 })
	w.callsBack(id)
	m := w.ends(id, 3*time.Hour)
	e.took = w.since()
	w.silent(id, 2*time.Hour)

	e.status, e.steps, e.calls = m.Status, map[string]string{}, map[string]int{}
	reader := w.process("reader")
	if err := reader.ask(func(ctx context.Context, r *runner.Runner) error {
		out, err := r.Output(ctx, m)
		e.output = string(out)
		if err != nil {
			return err
		}
		recs, err := r.Steps(ctx, m)
		for name, s := range recs {
			e.steps[name] = string(s.State) + " " + string(s.Body.Output)
		}
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	w.answered("token", 0, "succeeded "+e.output)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.net.calls {
		e.calls[c.step]++
	}
	for _, p := range w.procs {
		e.died = e.died || p.dead()
	}
	e.points = w.effects
	return e
}

// notYetDone demands of a call that its step had no outcome before.
func (w *world) notYetDone(m made) {
	stored := w.item(record.StepKey(record.PK(tenant, m.id), 1, m.step))
	if s := record.State(stored["k"].Str()); stored != nil && s != record.Open || w.status(m.id).Terminal() {
		w.t.Errorf("%s was called although its outcome was stored", m.key)
	}
}

// insists starts the journey, again with the same key until it is answered.
func (w *world) insists() string {
	for n := 1; ; n++ {
		s, err := w.process(fmt.Sprint("api", n)).start(runner.StartRequest{Workflow: "journey", Key: "k", Input: []byte(`{"n":1}`), Task: &runner.TaskRequest{Token: "token"}})
		if err == nil {
			return s.ID
		}
		if !errors.Is(err, errDied) && problem.CodeOf(err) != problem.Unavailable {
			w.t.Fatalf("start: %v", err)
		}
		w.pass(15 * time.Second)
	}
}

// callsBack delivers the callback until it is taken, or has been before.
func (w *world) callsBack(id string) {
	for n := 1; ; n++ {
		w.pass(5 * time.Second)
		err := w.process(fmt.Sprint("far", n)).callback(id, "k", `{"paid":true}`)
		if err == nil || n > 1 && problem.CodeOf(err) == problem.Conflict {
			return
		}
		if !errors.Is(err, errDied) && problem.CodeOf(err) != problem.Unavailable {
			w.t.Fatalf("callback: %v", err)
		}
	}
}

// pair has every visible message worked on from now on by two workers: the
// first time it is delivered to both, as a queue may do, then to each in turn.
// Another one takes the place of who dies.
func (w *world) pair() {
	w.wg.Go(func() {
		workers := [2]*process{w.process("one"), w.process("two")}
		give := func(n int, m *message) {
			if workers[n%2].dead() {
				workers[n%2] = w.process(fmt.Sprint("worker", n))
			}
			inv := workers[n%2].take(m)
			w.wg.Go(func() { w.reap(inv, wiring[m.lane].timeout) })
		}
		for n := 0; ; n++ {
			m := w.nextMessage()
			if m == nil {
				return
			}
			give(n, m)
			if m.receives == 1 {
				give(n+1, m)
			}
		}
	})
}

// nextMessage waits for a visible message; nil when the test is over.
func (w *world) nextMessage() *message {
	for {
		w.mu.Lock()
		batch, changed, next := w.visible(), w.changed, w.nextVisible()
		w.mu.Unlock()
		if len(batch) > 0 {
			return batch[0]
		}
		t := time.NewTimer(next)
		select {
		case <-changed:
		case <-t.C:
		case <-w.end:
			t.Stop()
			return nil
		}
		t.Stop()
	}
}

// The journey is made once straight through, and then once for each fault at
// each of its writes and sends, whoever makes them: workers, sweeper, client.
// The others go on; it comes to the same.
func TestEveryWriteAndSendMayBeTheLast(t *testing.T) {
	t.Parallel()
	var straight arrival
	t.Run("straight through", func(t *testing.T) {
		oneWorld(t, func(w *world) { straight = travel(w) })
	})
	if straight.status != record.Succeeded || straight.calls["b"] != 2 || straight.calls["d"] != 0 || straight.died {
		t.Fatalf("straight through it ends as %+v", straight)
	}
	faults := map[string]fault{"dies before": diesBefore, "dies after": diesAfter, "lost before": neverArrives, "lost after": replyLost}
	var points, deaths atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d writes and sends, %d faults at them, %d of them deaths", straight.points, points.Load(), deaths.Load())
		if deaths.Load() < 40 {
			t.Errorf("%d crash points, want at least 40", deaths.Load())
		}
	})
	for name, f := range faults {
		for n := 1; n <= straight.points; n++ {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				t.Parallel()
				oneWorld(t, func(w *world) {
					w.when(nil, effect(n), f)
					got := travel(w)
					points.Add(1)
					if got.died {
						deaths.Add(1)
					}
					if got.died != strings.HasPrefix(name, "dies") {
						t.Errorf("a process has died: %t", got.died)
					}
					straight.compare(t, got)
				})
			})
		}
	}
}

// compare demands the same of a journey with a fault: the same outcomes, at
// most two minutes later. A lost message or reply makes nobody call twice; a
// death at most what was under way.
func (e arrival) compare(t *testing.T, got arrival) {
	t.Helper()
	if got.status != e.status || got.output != e.output || !maps.Equal(got.steps, e.steps) {
		t.Errorf("came to %s %s %v\nwant    %s %s %v", got.status, got.output, got.steps, e.status, e.output, e.steps)
	}
	if late := got.took - e.took; late > 2*time.Minute {
		t.Errorf("it took %s longer than straight through", late)
	}
	again, most := 0, 0
	for step, n := range got.calls {
		again += max(0, n-e.calls[step])
	}
	if got.died {
		most = 2 // b and c side by side
	}
	if again > most {
		t.Errorf("calls %v, straight through %v", got.calls, e.calls)
	}
}

// Behind the adversary, which does all that the port allows a table, the same
// comes of the journey, straight through and with a death on the way.
func TestJourneysBehindTheAdversary(t *testing.T) {
	t.Parallel()
	var straight arrival
	t.Run("straight through", func(t *testing.T) {
		oneWorld(t, func(w *world) { straight = travel(w) })
	})
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			oneWorld(t, func(w *world) {
				w.store = tabletest.Adversary(w.store, seed)
				if seed%3 > 0 {
					f := []fault{diesBefore, diesAfter}[seed%2]
					w.when(nil, effect(1+int(seed)*7%straight.points), f).optional = true
				}
				straight.compare(t, travel(w))
			})
		})
	}
}
