package runner_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// The cases are the sentences of the protocol's section 5, in its order. Each
// test stands for one of them.

const oneStep = `
name: one
steps:
  - {id: a, type: http, request: {url: "http://there/a"}}
output: {a: "{{ steps.a.output }}"}
`

// The message is delivered twice and worker 1 leases; worker 2 meets the
// lease; worker 1 dies → the guard finishes it.
func TestCase01GuardFinishesWhatAHolderLeft(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		w.answers("a", answer{after: 20 * time.Second}, answer{})
		id := w.process("api").begins("one")
		first, one, two := w.message(id), w.process("one"), w.process("two")
		one.skew, two.skew = -time.Second, time.Second

		one.take(first)
		w.until("worker 1 calls", time.Second, func() bool { return len(w.calls(id, "a")) == 1 })
		two.take(first).wait()
		if guard := w.message(id); guard.Why != record.WhyGuard || guard == first {
			t.Fatalf("worker 2 has left %v, want a guard and nothing else", guard)
		}
		one.kill()

		w.lambda()
		w.succeeds(id, 2*time.Minute, `{"a":{"from":"a"}}`)
		w.called(id, "a", 2)
		if keys := w.calls(id, "a"); keys[0].key != keys[1].key {
			t.Errorf("the call was repeated with the key %q, want %q again", keys[1].key, keys[0].key)
		}
		w.silent(id, time.Minute)
	})
}

// The release is written, the process dies before sending → the message's
// return re-sends the timer.
func TestCase02ReturningMessageSendsTheTimerAgain(t *testing.T) {
	const late = `
name: late
steps:
  - {id: a, type: http, request: {url: "http://there/a"}, retry: {strategy: fixed, initial: 5m, attempts: 9, jitter: none}}
output: {a: "{{ steps.a.output }}"}
`
	// returns has the holder die before it sends, and its message come back.
	returns := func(w *world, id string, token *message) {
		holder := w.process("holder")
		w.when(holder, sending(record.WhyTimer), diesBefore)
		holder.take(token).wait()
		if w.status(id) != record.Waiting || w.message(id) != token {
			w.t.Fatalf("%s with %v, want it released with nothing but the holder's message", w.status(id), w.messages(id))
		}
		w.lambda()
		w.until("the message has come back and gone", 2*time.Minute, func() bool { return len(w.messages(id)) == 1 && w.message(id) != token })
		if timer := w.message(id); timer.Why != record.WhyTimer {
			w.t.Errorf("it has sent a %s, want a timer", timer.Why)
		}
		w.succeeds(id, 5*time.Minute, `{"a":{"from":"a"}}`)
		calls := w.calls(id, "a")
		last := len(calls) - 1
		if d := calls[last].at - calls[last-1].at; d < 5*time.Minute || d > 5*time.Minute+2*time.Second {
			w.t.Errorf("the retry came after %s, want 5 minutes", d)
		}
		w.silent(id, time.Minute)
	}
	t.Run("the first message", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(late)
			w.answers("a", answer{fails: retry.Upstream}, answer{})
			id := w.process("api").begins("late")
			returns(w, id, w.message(id))
			w.called(id, "a", 2)
		})
	})
	// A message that is epochs old is not responsible any more and dies out,
	// unless it is the holder's.
	t.Run("an old one", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(late)
			fails := answer{fails: retry.Upstream}
			w.answers("a", fails, fails, fails, fails, answer{})
			id := w.process("api").begins("late")
			newest, old := w.message(id), w.double(w.message(id))
			w.hold(old, time.Hour)
			w.when(nil, sending(record.WhyTimer), isLost).after(2)
			for n := range 3 {
				w.process(fmt.Sprint("worker", n)).take(newest).wait()
				all := w.messages(id)
				newest = all[len(all)-1]
				w.pass(5*time.Minute + time.Second)
			}
			returns(w, id, old)
			w.called(id, "a", 5)
		})
	})
}

// The holder is busy 30 s on one branch, another step's retry message arrives
// → that retry still runs.
func TestCase03RetryRunsWhileTheHolderIsBusy(t *testing.T) {
	const branches = `
name: branches
steps:
  - {id: flaky, type: http, needs: [], request: {url: "http://there/flaky"}, retry: {strategy: fixed, initial: 10s, attempts: 2, jitter: none}}
  - {id: word, type: callback, needs: [], timeout: 1h}
  - {id: slow, type: http, needs: [word], request: {url: "http://there/slow"}, attemptTimeout: 38s}
output: {flaky: "{{ steps.flaky.output }}", slow: "{{ steps.slow.output }}"}
`
	// busy brings the world to where the holder is busy with slow and the
	// message of flaky's retry is under way.
	busy := func(w *world) (id string, timer *message, holder *process, inv *invocation) {
		w.document(branches)
		w.answers("flaky", answer{fails: retry.Upstream}, answer{})
		w.answers("slow", answer{after: 30 * time.Second})
		api, one := w.process("api"), w.process("one")
		id = api.begins("branches")
		one.take(w.message(id)).wait()
		timer = w.message(id)
		w.pass(5 * time.Second)
		if err := api.callback(id, "word", `"go"`); err != nil {
			w.t.Fatal(err)
		}
		holder = w.process("holder")
		inv = holder.take(w.messages(id)[1])
		w.until("the holder is busy", time.Second, func() bool { return len(w.calls(id, "slow")) == 1 })
		return id, timer, holder, inv
	}
	const output = `{"flaky":{"from":"flaky"},"slow":{"from":"slow"}}`
	t.Run("under the lease", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			id, timer, holder, inv := busy(w)
			w.pass(time.Until(timer.visible))
			w.process("two").take(timer).wait()
			w.until("the retry runs", 2*time.Second, func() bool { return len(w.calls(id, "flaky")) == 2 })
			if by := w.calls(id, "flaky")[1].by; by != holder {
				t.Errorf("the retry was made by %s", by.name)
			}
			inv.wait()
			w.succeeds(id, time.Second, output)
			w.called(id, "flaky", 2)
			w.called(id, "slow", 1)
			w.lambda()
			w.silent(id, 2*time.Minute)
		})
	})
	t.Run("after the holder's death", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			id, timer, holder, _ := busy(w)
			holder.freeze(time.Hour) // it cannot make the retry
			w.pass(time.Until(timer.visible))
			w.process("two").take(timer).wait()
			holder.kill()
			w.lambda()
			w.succeeds(id, 2*time.Minute, output)
			w.called(id, "flaky", 2)
			w.called(id, "slow", 2)
			w.silent(id, 2*time.Minute)
		})
	})
}

// Lease and step writes applied, replies lost → recognised; one call per step.
func TestCase04LostRepliesAreRecognised(t *testing.T) {
	t.Run("shared lane", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(threeSteps)
			id, one := w.process("api").begins("three"), w.process("one")
			w.when(one, at("lease"), replyLost)
			w.when(one, checkpoint("a"), replyLost)
			w.when(one, checkpoint("b"), replyLost)
			w.when(one, at("finish"), replyLost)
			if inv := one.take(w.message(id)).wait(); len(inv.failed) > 0 {
				t.Error("the message was not done")
			}
			w.succeeds(id, 0, `{"c":{"from":"c"}}`)
			for _, step := range []string{"a", "b", "c"} {
				w.called(id, step, 1)
			}
			if leases := w.meta(id).Epoch; leases != 1 {
				t.Errorf("%d leases, want one", leases)
			}
			w.silent(id, time.Second)
		})
	})
	t.Run("solo", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(strings.Replace(oneStep, "type: http", "type: http, attemptTimeout: 3m", 1))
			w.answers("a", answer{after: time.Second, then: func(c made) { c.by.kill() }}, answer{after: 100 * time.Second})
			id := w.process("api").begins("one")
			w.lambda()
			w.when(nil, at("takeover"), replyLost)
			renewals := w.when(nil, at("renewal"), replyLost)
			renewals.times = 3
			w.succeeds(id, 5*time.Minute, `{"a":{"from":"a"}}`)
			w.called(id, "a", 2)
			if m := w.meta(id); m.Epoch != 3 || renewals.sprung() != 3 {
				t.Errorf("%d leases and %d renewals, want 3 and 3: the hand-over to solo, the one that died and the one that took over", m.Epoch, renewals.sprung())
			}
			w.silent(id, 2*time.Minute)
		})
	})
}

// Worker 1 frozen past its lease, worker 2 done with step s; worker 1 thaws →
// s unchanged, worker 1 starts nothing, also when s is the last step.
func TestCase05ThawedWorkerChangesNothing(t *testing.T) {
	thaw := func(t *testing.T, doc string, frozenAt point) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(doc)
			w.answers("s", answer{output: `1`}, answer{output: `2`})
			w.answers("t", answer{after: 30 * time.Second})
			id, one := w.process("api").begins("frozen"), w.process("one")
			w.when(one, frozenAt, freezes(100*time.Second))
			inv := one.take(w.message(id))
			w.pass(80 * time.Second) // the lease is over, and the message about to return
			w.lambda()
			w.until("worker 2 is done with s", 15*time.Second, func() bool { s := w.item(record.StepKey(record.PK(tenant, id), 1, "s")); return s["k"].Str() == "s" })
			if inv.returned() {
				t.Fatal("worker 1 has thawed too early for this test")
			}
			inv.wait()
			if len(inv.failed) != 1 {
				t.Error("worker 1 has acknowledged the message that may be the new holder's")
			}
			m := w.ends(id, 2*time.Minute)
			w.succeeds(id, 0, `{"s":2}`)
			w.sameJSON("the outcome of s", string(w.step(id, "s").Body.Output), `2`)
			if len(m.Last) > 0 && m.Takeover {
				t.Error("the last outcome rides on an end after a takeover")
			}
			for _, step := range []string{"s", "t"} {
				for i, c := range w.calls(id, step) {
					if c.by == one && (step != "s" || i > 0) {
						t.Errorf("worker 1 has called %s after it thawed", step)
					}
				}
			}
			w.called(id, "s", 2)
			w.silent(id, 5*time.Minute)
		})
	}
	t.Run("in the middle", func(t *testing.T) {
		thaw(t, `
name: frozen
steps:
  - {id: s, type: http, request: {url: "http://there/s"}}
  - {id: t, type: http, request: {url: "http://there/t"}, attemptTimeout: 35s}
output: {s: "{{ steps.s.output }}"}
`, checkpoint("s"))
	})
	t.Run("the last", func(t *testing.T) {
		thaw(t, `
name: frozen
steps:
  - {id: s, type: http, request: {url: "http://there/s"}}
output: {s: "{{ steps.s.output }}"}
`, at("finish"))
	})
}
