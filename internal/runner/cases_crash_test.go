package runner_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// Ten messages, one kills the process → nine succeed, one ends `crashed`,
// once; a healthy execution whose workers are killed every 5 s does not.
func TestCase08PoisonedExecutionKillsOnlyItself(t *testing.T) {
	t.Run("ten messages", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(oneStep)
			w.document(strings.NewReplacer("one", "poisoned", "id: a", "id: bad", "steps.a", "steps.bad").Replace(oneStep))
			w.answers("a", answer{after: time.Second})
			w.answers("bad", answer{after: time.Second, then: func(c made) { w.pass(100 * time.Millisecond); c.by.kill() }})
			api := w.process("api")
			bad := api.begins("poisoned")
			var good []string
			for range 9 {
				good = append(good, api.begins("one"))
			}
			w.lambda()
			for _, id := range good {
				w.succeeds(id, 3*time.Minute, `{"a":{"from":"a"}}`)
				w.called(id, "a", 2) // all ten were in the hands of the process that died
			}
			m := w.ends(bad, 8*time.Minute-w.since())
			if m.Status != record.Failed || m.Error.Category != string(retry.Crashed) {
				t.Errorf("the poisoned one ends as %s (%v), want failed as crashed", m.Status, m.Error)
			}
			w.called(bad, "bad", 5)
			w.silent(bad, 30*time.Minute)
			if n := w.deadLetters(bad); n != 1 {
				t.Errorf("%d dead letters, want one", n)
			}
			for _, id := range good {
				w.silent(id, time.Second)
				if w.deadLetters(id) > 0 {
					t.Errorf("%s is a dead letter, too", id)
				}
			}
		})
	})
	t.Run("one process for all", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(oneStep)
			w.document(strings.NewReplacer("one", "poisoned", "id: a", "id: bad", "steps.a", "steps.bad").Replace(oneStep))
			w.answers("a", answer{after: 2 * time.Second})
			w.answers("bad", answer{after: time.Second, then: func(c made) { c.by.kill() }})
			api := w.process("api")
			var good []string
			for range 9 {
				good = append(good, api.begins("one"))
			}
			bad := api.begins("poisoned")
			w.machine()
			w.cron()
			for _, id := range good {
				w.succeeds(id, 10*time.Minute, `{"a":{"from":"a"}}`)
				if n := len(w.calls(id, "a")); n > 4 {
					t.Errorf("%s was called %d times; it died with the poisoned one more often than may be", id, n)
				}
			}
			if m := w.ends(bad, 10*time.Minute); m.Status != record.Failed || m.Error.Category != string(retry.Crashed) {
				t.Errorf("the poisoned one ends as %s (%v), want failed as crashed", m.Status, m.Error)
			}
			w.called(bad, "bad", 5)
		})
	})
	t.Run("killed in the middle of one step", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(oneStep)
			dies := answer{after: time.Second, then: func(c made) { c.by.kill() }}
			w.answers("a", dies, dies, dies, dies, answer{})
			id := w.process("api").begins("one")
			w.lambda()
			w.cron()
			w.succeeds(id, 8*time.Minute, `{"a":{"from":"a"}}`)
			w.called(id, "a", 5)
			if n := w.deadLetters(id); n != 0 {
				t.Errorf("%d dead letters, want none", n)
			}
		})
	})
	t.Run("killed every 5 s", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			const steps = 12
			doc := "name: long\nsteps:\n"
			for i := range steps {
				doc += fmt.Sprintf("  - {id: s%d, type: http, request: {url: \"http://there/s\"}}\n", i)
				w.answers(fmt.Sprintf("s%d", i), answer{after: 2 * time.Second})
			}
			w.document(doc)
			lives := 0
			dying := func(o *op, apply func() error) error {
				lives++
				w.wg.Go(func() { w.pass(5 * time.Second); o.p.kill() })
				return apply()
			}
			w.when(nil, at("lease"), dying).often()
			w.when(nil, at("takeover"), dying).often()
			id := w.process("api").begins("long")
			w.lambda()
			w.cron()
			w.succeeds(id, 2*time.Hour, ``)
			for i := range steps {
				if n := len(w.calls(id, fmt.Sprintf("s%d", i))); n < 1 || n > 2 {
					t.Errorf("s%d was called %d times, want once or, where its worker was killed, twice", i, n)
				}
			}
			if lives < 5 {
				t.Errorf("only %d lives, this test needs workers that die", lives)
			}
			if n := w.deadLetters(id); n != 0 {
				t.Errorf("%d dead letters, want none", n)
			}
		})
	})
}

// A worker that cannot start for three hours, all messages through the DLQ →
// every execution resumes.
func TestCase09OutageOfThreeHours(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		w.document(asking)
		w.document(`
name: waits
steps:
  - {id: w, type: wait, duration: 14m}
  - {id: a, type: http, request: {url: "http://there/a"}}
output: {a: "{{ steps.a.output }}"}
`)
		w.answers("a", answer{after: 5 * time.Second})
		api := w.process("api")
		w.lambda()
		w.cron()
		waits, asks, held := api.begins("waits"), api.begins("asking"), api.begins("one")
		w.until("one is held, one waits and one asks", time.Minute, func() bool {
			return len(w.calls(held, "a")) == 1 && w.status(waits) == record.Waiting && w.status(asks) == record.Waiting
		})
		w.calls(held, "a")[0].by.kill()
		w.breaks(3 * time.Hour)
		outage := w.since() + 3*time.Hour
		fresh := api.begins("one")
		w.accepted("the callback", api.callback(asks, "word", `"yes"`))

		back := map[string]string{waits: `{"a":{"from":"a"}}`, asks: `{"word":"yes"}`, held: `{"a":{"from":"a"}}`, fresh: `{"a":{"from":"a"}}`}
		w.pass(outage - w.since())
		for id := range back {
			if st := w.status(id); st.Terminal() {
				t.Errorf("%s is %s although no worker could start", id, st)
			}
			if w.buried(id) == 0 {
				t.Errorf("no message of %s has gone to the dead lane", id)
			}
		}
		for id, output := range back {
			w.succeeds(id, time.Hour+5*time.Minute, output)
			if n := w.peak(id); n > 4 {
				t.Errorf("%s had %d messages at a time, want at most 4", id, n)
			}
			if w.deadLetters(id) > 0 {
				t.Errorf("%s was a dead letter; the outage was not its fault", id)
			}
		}
		w.called(fresh, "a", 1)
		w.called(waits, "a", 1)
		w.called(held, "a", 2)
	})
}

// RELEASE applied and its reply lost, a callback comes in → one holder; three
// lives each ended by a crash just after the release → still running.
func TestCase15AppliedReleaseWithoutAnAnswer(t *testing.T) {
	const doc = `
name: asked
steps:
  - {id: word, type: callback, timeout: 1h}
  - {id: a, type: http, request: {url: "http://there/a"}}
output: {a: "{{ steps.a.output }}"}
`
	// lost has the callback come, and happen what then happens, before the
	// worker hears that its release has no answer.
	lost := func(t *testing.T, busy bool) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(doc)
			w.answers("a", answer{after: 10 * time.Second})
			api, one, two := w.process("api"), w.process("one"), w.process("two")
			id := api.begins("asked")
			w.when(one, at("release"), func(o *op, apply func() error) error {
				err := replyLost(o, apply)
				w.accepted("the callback", api.callback(id, "word", `1`))
				if busy {
					two.take(w.messages(id)[1])
					w.until("worker 2 calls", time.Second, func() bool { return len(w.calls(id, "a")) == 1 })
				}
				return err
			})
			inv := one.take(w.message(id)).wait()
			if busy != (len(inv.failed) == 1) {
				t.Errorf("worker 1 reports %d messages failed; it may acknowledge its own, and nothing that may be the next holder's token", len(inv.failed))
			}
			w.lambda()
			w.succeeds(id, time.Minute, `{"a":{"from":"a"}}`)
			w.called(id, "a", 1)
			if by := w.calls(id, "a")[0].by; by == one {
				t.Error("worker 1 has gone on without a lease")
			}
			if n := w.meta(id).Epoch; n != 2 {
				t.Errorf("%d leases, want 2", n)
			}
			w.silent(id, 2*time.Minute)
		})
	}
	t.Run("before the next holder", func(t *testing.T) { lost(t, false) })
	t.Run("after the next holder", func(t *testing.T) { lost(t, true) })
	t.Run("no answer at all", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(threeSteps)
			w.answers("a", answer{fails: retry.Upstream}, answer{})
			id, one := w.process("api").begins("three"), w.process("one")
			w.when(one, at("release"), replyLost).often()
			if inv := one.take(w.message(id)).wait(); len(inv.failed) > 0 {
				t.Error("the message was not done")
			}
			var whys []record.Why
			for _, m := range w.messages(id) {
				whys = append(whys, m.Why)
			}
			if fmt.Sprint(whys) != "[timer guard]" {
				t.Errorf("it has left %v, want a timer as if the release were written and a guard as if not", whys)
			}
			w.lambda()
			w.succeeds(id, time.Minute, `{"c":{"from":"c"}}`)
			w.called(id, "a", 2)
			w.silent(id, 2*time.Minute)
		})
	})
	t.Run("three lives", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(strings.Replace(threeSteps, "attempts: 2", "attempts: 20", 1))
			// Each life is two workers: one dies in the call, and the one that
			// takes over just after it has released.
			dies := answer{then: func(c made) { c.by.kill() }}
			fails := answer{fails: retry.Upstream}
			w.answers("a", dies, fails, dies, fails, dies, fails, answer{})
			releases := w.when(nil, at("release"), diesAfter)
			releases.times = 3
			id := w.process("api").begins("three")
			w.lambda()
			w.cron()
			w.until("three workers have died after a release", time.Hour, func() bool { return releases.sprung() == 3 && w.status(id) == record.Waiting })
			if m := w.meta(id); m.Crashes != 0 {
				t.Errorf("%d crashes count, want none: each life has released", m.Crashes)
			}
			w.succeeds(id, time.Hour, `{"c":{"from":"c"}}`)
			w.called(id, "a", 7)
			if n := w.deadLetters(id); n != 0 {
				t.Errorf("%d dead letters, want none", n)
			}
		})
	})
}
