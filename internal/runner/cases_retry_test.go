package runner_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// anything is every write and send.
var anything = point{"writes and sends", func(*op) bool { return true }}

// contest is a moment at which one actor dies while another retries.
type contest struct {
	id     string
	act    func(victim *process) // what the victim is about
	rival  func()                // ends the run, where it is open, and retries
	output string                // of the new run
}

// killedAfterEach lets the victim of a contest die after its first write or
// send, then after its second and so on until it survives; each time once with
// the rival coming just before that write or send arrives, and once with the
// rival coming after the death. It ends with one dead letter and a second run
// that nothing has touched and that succeeds.
func killedAfterEach(t *testing.T, prepare func(w *world) contest) {
	for _, first := range []bool{true, false} {
		deaths := 0
		for survived := false; !survived; deaths++ {
			name := fmt.Sprintf("after %d, the rival before that", deaths+1)
			if !first {
				name = fmt.Sprintf("after %d, the rival later", deaths+1)
			}
			t.Run(name, func(t *testing.T) {
				oneWorld(t, func(w *world) {
					c := prepare(w)
					victim := w.process("victim")
					death := w.when(victim, anything, func(o *op, apply func() error) error {
						if !first {
							return diesAfter(o, apply)
						}
						c.rival()
						run := w.item(record.MetaKey(tenant, c.id))
						_ = apply()
						if now := w.item(record.MetaKey(tenant, c.id)); fmt.Sprint(now) != fmt.Sprint(run) {
							w.t.Errorf("the victim's %s changes the new run from\n%v to\n%v", o.kind, run, now)
						}
						return o.p.dies("after " + o.kind)
					}).after(deaths)
					death.optional = true
					c.act(victim)
					survived = death.sprung() == 0
					if survived || !first {
						c.rival()
					}
					w.lambda()
					w.cron()
					w.until("the second run ends", 15*time.Minute, func() bool { m := w.meta(c.id); return m.Run == 2 && m.Status.Terminal() })
					w.succeeds(c.id, 0, c.output)
					if n := w.deadLetters(c.id); n != 1 {
						w.t.Errorf("%d dead letters, want one", n)
					}
					w.silent(c.id, time.Hour)
				})
			})
			if t.Failed() {
				return
			}
		}
		if deaths < 2 {
			t.Error("the victim writes and sends nothing in this contest")
		}
	}
}

// crashed brings an execution to where its workers have died once too often:
// nobody has recorded that yet.
func crashed(w *world) (id string, solo *message) {
	w.document(oneStep)
	die := answer{then: func(c made) { c.by.kill() }}
	w.answers("a", die, die, die, die, die, answer{})
	id = w.process("api").begins("one")
	first := w.message(id)
	w.process("first").take(first).wait()
	w.pass(70 * time.Second)
	w.process("second").take(first).wait()
	solo = w.message(id)
	for _, name := range []string{"third", "fourth", "fifth", "sixth"} {
		w.process(name).take(solo).wait()
		w.pass(70 * time.Second)
	}
	if m := w.meta(id); m.Crashes != 4 || m.Status != record.Running {
		w.t.Fatalf("%s after %d crashes, want it running after 4", m.Status, m.Crashes)
	}
	return id, solo
}

// Sweeper, deadletter or RETRY killed after each call while a retry races →
// one dead letter, the new run untouched and not stuck.
func TestCase12KilledWhileARetryRaces(t *testing.T) {
	t.Parallel()
	// ends has a consumer of the dead lane end the run, and an operator retry.
	ends := func(w *world, id string, m *message) func() {
		return func() {
			w.process("rival").take(m).wait()
			w.accepted("the retry", w.process("operator").retry(id, ""))
		}
	}
	const output = `{"a":{"from":"a"}}`
	t.Run("sweeper at a start", func(t *testing.T) {
		killedAfterEach(t, func(w *world) contest {
			id, m := crashed(w)
			w.bury(m)
			return contest{id, func(p *process) { _ = p.sweep() }, ends(w, id, m), output}
		})
	})
	t.Run("sweeper at a due entry", func(t *testing.T) {
		killedAfterEach(t, func(w *world) contest {
			id, m := crashed(w)
			w.bury(m)
			w.accepted("a sweep", w.process("sweeper").sweep())
			w.pass(4 * time.Minute)
			return contest{id, func(p *process) { _ = p.sweep() }, ends(w, id, m), output}
		})
	})
	t.Run("deadletter", func(t *testing.T) {
		killedAfterEach(t, func(w *world) contest {
			id, m := crashed(w)
			w.bury(m)
			return contest{id, func(p *process) { p.take(m).wait() }, ends(w, id, m), output}
		})
	})
	t.Run("retry", func(t *testing.T) {
		killedAfterEach(t, func(w *world) contest {
			w.document(threeSteps)
			w.answers("c", answer{fails: retry.Upstream}, answer{fails: retry.ClientError}, answer{})
			id := w.process("api").begins("three")
			first := w.message(id)
			w.process("one").take(first).wait()
			w.pass(11 * time.Second)
			w.process("one again").take(w.message(id)).wait()
			again := func(p *process) { _ = p.retry(id, "c") }
			// Where the victim has opened the run, nobody asks again: the sweep
			// must find it.
			rival := func() {
				if w.meta(id).Run == 1 {
					again(w.process("rival"))
				}
			}
			return contest{id, again, rival, `{"c":{"from":"c"}}`}
		})
	})
}

const threeSteps = `
name: three
retry: {strategy: fixed, initial: 10s, attempts: 2, jitter: none}
steps:
  - {id: a, type: http, request: {url: "http://there/a"}}
  - {id: b, type: http, request: {url: "http://there/b"}}
  - {id: c, type: http, request: {url: "http://there/c"}}
output: {c: "{{ steps.c.output }}"}
`

// Two RETRYs from different steps at once → one wins, and its run has exactly
// the outcomes it keeps.
func TestCase13OneOfTwoRetriesWins(t *testing.T) {
	keeps := map[string][]string{"b": {"a"}, "c": {"a", "b"}}
	// wins lets a slower retry from one step arrive when the faster one from
	// another is queued, or when all of its run has ended.
	wins := func(t *testing.T, winner, loser string, ended bool) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(threeSteps)
			var kept []string
			begun := answer{then: func(c made) { kept = w.recorded(c.id, 2) }}
			w.answers("b", answer{}, begun)
			w.answers("c", answer{fails: retry.ClientError}, begun)
			if winner == "b" {
				w.answers("c", answer{fails: retry.ClientError}, answer{})
			}
			slow, fast := w.process("slow"), w.process("fast")
			id := fast.begins("three")
			w.process("one").take(w.message(id)).wait()
			if st := w.status(id); st != record.Failed {
				t.Fatalf("the first run is %s, want failed", st)
			}

			w.when(slow, at("retry"), meanwhile(func() {
				w.accepted("the faster retry", fast.retry(id, winner))
				if ended {
					w.lambda()
					w.ends(id, time.Second)
				}
			}))
			w.conflicts("the slower retry", slow.retry(id, loser))
			if !ended {
				w.lambda()
			}
			w.succeeds(id, time.Second, `{"c":{"from":"c"}}`)
			if !slices.Equal(kept, keeps[winner]) {
				t.Errorf("the new run began with the outcomes of %v, want %v", kept, keeps[winner])
			}
			for _, step := range []string{"a", "b"} {
				times := 2
				if slices.Contains(keeps[winner], step) {
					times = 1
				}
				w.called(id, step, times)
			}
			w.called(id, "c", 2)
			if m := w.meta(id); m.Run != 2 {
				t.Errorf("%d runs, want 2", m.Run)
			}
			w.silent(id, 2*time.Minute)
		})
	}
	t.Run("from b", func(t *testing.T) { wins(t, "b", "c", false) })
	t.Run("from c", func(t *testing.T) { wins(t, "c", "b", false) })
	t.Run("from b, which has ended", func(t *testing.T) { wins(t, "b", "c", true) })
	t.Run("from c, which has ended", func(t *testing.T) { wins(t, "c", "b", true) })
}

// The last step fails once, succeeds as `lo`, RETRY from an earlier step → it
// counts as succeeded in the closed run.
func TestCase17LastOutcomeCountsInTheClosedRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(threeSteps)
		w.answers("c", answer{fails: retry.Upstream}, answer{output: `1`}, answer{output: `2`})
		api := w.process("api")
		id := api.begins("three")
		w.lambda()
		w.succeeds(id, time.Minute, `{"c":1}`)
		if rec := w.item(record.StepKey(record.PK(tenant, id), 1, "c")); len(w.meta(id).Last) == 0 || rec["k"] != table.String(string(record.Open)) {
			t.Fatalf("the record of c is %v, want it open and its outcome to ride on the end", rec)
		}

		w.accepted("the retry", api.retry(id, "b"))
		w.succeeds(id, time.Second, `{"c":2}`)
		closed := w.stepOf(id, 1, "c")
		if closed.State != record.Done || closed.Tried() != 2 {
			t.Errorf("in the closed run c is %q after %d attempts, want it done after 2", closed.State, closed.Tried())
		}
		w.sameJSON("c in the closed run", string(closed.Body.Output), `1`)
		w.called(id, "a", 1)
		w.called(id, "b", 2)
		// It has succeeded, so to call it again is to want another effect.
		if calls := w.calls(id, "c"); len(calls) != 3 || calls[1].key != id+"/c" || calls[2].key != id+"/c~1" {
			t.Errorf("c was called with %v, want two calls under one key and one under another", calls)
		}
	})
}
