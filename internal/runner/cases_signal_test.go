package runner_test

import (
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

const asking = `
name: asking
steps:
  - {id: word, type: callback, request: {url: "http://there/word", body: {reply: "{{ callback.url }}"}}, timeout: 1h}
output: {word: "{{ steps.word.output }}"}
`

// conflicts demands that a request was refused because it came too late.
func (w *world) conflicts(what string, err error) {
	w.t.Helper()
	if problem.CodeOf(err) != problem.Conflict {
		w.t.Errorf("%s is answered with %v, want a conflict", what, err)
	}
}

// accepted demands that a request was answered with yes.
func (w *world) accepted(what string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Errorf("%s is answered with %v, want yes", what, err)
	}
}

// A callback arrives before our POST returns; the worker releases → the
// release fails and the step completes. Its update applied and its sender dead
// → the provider's second delivery wakes it.
func TestCase06CallbackBeforeOurPostReturns(t *testing.T) {
	t.Run("before the answer", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(asking)
			api, one := w.process("api"), w.process("one")
			w.answers("word", answer{then: func(c made) { w.accepted("the callback", api.callback(c.id, "word", `"yes"`)) }})
			w.when(api, sending(record.WhySignal), isLost)
			var release error
			w.when(one, at("release"), func(_ *op, apply func() error) error { release = apply(); return release })
			id := api.begins("asking")
			one.take(w.message(id)).wait()
			if _, refused := table.Failed(release); !refused {
				t.Errorf("the release went through (%v), the callback would sleep", release)
			}
			w.succeeds(id, 0, `{"word":"yes"}`)
			w.called(id, "word", 1)
			w.silent(id, time.Second)
		})
	})
	// waiting brings a callback, which meets the fault on its way, to a waiting
	// execution.
	waiting := func(w *world, p point, f fault) (id string, api *process) {
		w.document(asking)
		api = w.process("api")
		id = api.begins("asking")
		w.process("one").take(w.message(id)).wait()
		if w.status(id) != record.Waiting || len(w.messages(id)) > 0 {
			w.t.Fatalf("%s with %v, want it waiting and silent", w.status(id), w.messages(id))
		}
		dying := w.process("dying")
		w.when(dying, p, f)
		if err := dying.callback(id, "word", `"first"`); err == nil {
			w.t.Fatal("the sender has not died")
		}
		w.lambda()
		w.pass(time.Minute)
		if w.status(id) != record.Waiting {
			w.t.Fatalf("%s, although nothing can have woken it", w.status(id))
		}
		return id, api
	}
	again := func(t *testing.T, p point, f fault) {
		inWorld(t, func(t *testing.T, w *world) {
			id, api := waiting(w, p, f)
			w.accepted("the second delivery", api.callback(id, "word", `"second"`))
			w.succeeds(id, 2*time.Second, `{"word":"first"}`)
			w.called(id, "word", 1)
			w.conflicts("the third delivery", api.callback(id, "word", `"third"`))
			w.silent(id, time.Second)
		})
	}
	t.Run("the sender dies before its mark", func(t *testing.T) { again(t, at("signal"), diesBefore) })
	t.Run("the sender dies before its message", func(t *testing.T) { again(t, at("signal"), diesAfter) })
	t.Run("and the provider does not come again", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			id, _ := waiting(w, at("signal"), diesAfter)
			w.cron() // an hour is left until the step's timeout; the signal has made it five minutes
			w.succeeds(id, 6*time.Minute, `{"word":"first"}`)
			w.called(id, "word", 1)
			w.silent(id, time.Second)
		})
	})
}

const asked = `
name: asked
steps:
  - {id: word, type: callback, needs: [], timeout: 1h}
  - {id: a, type: http, needs: [], request: {url: "http://there/a"}, retry: none}
output: {a: "{{ steps.a.output }}"}
`

// Callback, pause and cancel racing with finish → none lost; after cancel's
// 202 never `succeeded`.
func TestCase07SignalsRaceWithFinish(t *testing.T) {
	signals := map[string]func(p *process, id string) error{
		"cancel": (*process).cancel,
		"pause":  (*process).pause,
	}
	after := map[string]record.Status{"cancel": record.Cancelled, "pause": record.Succeeded} // a pause starts nothing new; nothing is left to start
	for name, send := range signals {
		// The signal is written while FINISH is on its way.
		t.Run(name+" first", func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(oneStep)
				api, one := w.process("api"), w.process("one")
				id := api.begins("one")
				w.when(one, at("finish"), meanwhile(func() { w.accepted(name, send(api, id)) }))
				one.take(w.message(id)).wait()
				if got := w.ends(id, 0).Status; got != after[name] {
					t.Errorf("it ends as %s, want %s", got, after[name])
				}
				w.called(id, "a", 1)
				w.lambda()
				w.silent(id, 5*time.Second)
			})
		})
		// FINISH is written while the signal is on its way.
		t.Run("finish before "+name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(oneStep)
				api, one := w.process("api"), w.process("one")
				id := api.begins("one")
				w.when(api, at("signal"), meanwhile(func() { w.ends(id, 10*time.Second) }))
				w.answers("a", answer{after: time.Second})
				inv := one.take(w.message(id))
				w.until("a is called", time.Second, func() bool { return len(w.calls(id, "a")) == 1 })
				w.conflicts(name, send(api, id))
				inv.wait()
				w.succeeds(id, 0, `{"a":{"from":"a"}}`)
				w.silent(id, time.Second)
			})
		})
	}
	t.Run("callback first", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(asked)
			api, one := w.process("api"), w.process("one")
			id := api.begins("asked")
			w.answers("a", answer{after: time.Second})
			// The callback comes while the last outcome but one is written: the
			// release that follows must not overlook it.
			w.when(one, checkpoint("a"), thereupon(func() { w.accepted("the callback", api.callback(id, "word", `1`)) }))
			w.when(api, sending(record.WhySignal), isLost)
			one.take(w.message(id)).wait()
			w.succeeds(id, 0, `{"a":{"from":"a"}}`)
			w.sameJSON("the outcome of word", string(w.step(id, "word").Body.Output), `1`)
		})
	})
	t.Run("callback while it fails", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(asked)
			api, one := w.process("api"), w.process("one")
			id := api.begins("asked")
			w.answers("a", answer{fails: "client_error"})
			w.when(one, at("finish"), meanwhile(func() { w.accepted("the callback", api.callback(id, "word", `1`)) }))
			w.when(one, at("finish"), thereupon(func() { w.conflicts("a late callback", api.callback(id, "word", `2`)) }))
			one.take(w.message(id)).wait()
			if m := w.ends(id, 0); m.Status != record.Failed || m.Error.Step != "a" {
				t.Errorf("it ends as %s because of %v, want failed because of a", m.Status, m.Error)
			}
			body := w.item(record.SignalKey(record.PK(tenant, id), 1, "word"))
			w.sameJSON("the callback's body", string(body["b"].Bytes()[1:]), `1`)
			if n := w.deadLetters(id); n != 1 {
				t.Errorf("%d dead letters, want one", n)
			}
			w.lambda()
			w.silent(id, 5*time.Second)
		})
	})
	t.Run("all at once", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(asked)
			api, one := w.process("api"), w.process("one")
			id := api.begins("asked")
			w.accepted("the callback", api.callback(id, "word", `1`))
			w.when(one, at("finish"), meanwhile(func() {
				w.accepted("pause", api.pause(id))
				w.accepted("cancel", api.cancel(id))
			}))
			one.take(w.messages(id)[0]).wait()
			if got := w.ends(id, 0).Status; got != record.Cancelled {
				t.Errorf("it ends as %s after a cancel was accepted", got)
			}
			w.conflicts("resume", api.resume(id))
			w.lambda()
			w.silent(id, 5*time.Second)
		})
	})
}

// Cancel or resume prepared on `running`, RELEASE writes `paused`, then it
// applies → cancelled or resumed, not asleep until its deadline.
func TestCase16SignalPreparedBeforeThePause(t *testing.T) {
	const doc = `
name: two
steps:
  - {id: a, type: http, request: {url: "http://there/a"}}
  - {id: b, type: http, request: {url: "http://there/b"}}
output: {b: "{{ steps.b.output }}"}
`
	pausing := func(t *testing.T, signal func(p *process, id string) error, end record.Status, calls int) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(doc)
			w.answers("a", answer{after: 4 * time.Second}) // longer than a holder goes without a look at META
			api, slow := w.process("api"), w.process("slow")
			id := api.begins("two")
			w.lambda()
			w.until("a is called", 2*time.Second, func() bool { return len(w.calls(id, "a")) == 1 })
			w.accepted("pause", api.pause(id))
			w.when(slow, at("signal"), meanwhile(func() {
				w.until("it is paused", 5*time.Second, func() bool { return w.status(id) == record.Paused })
			}))
			w.accepted("the signal", signal(slow, id))
			if got := w.ends(id, 2*time.Second).Status; got != end {
				t.Errorf("it ends as %s, want %s", got, end)
			}
			w.called(id, "a", 1)
			w.called(id, "b", calls)
			w.silent(id, 2*time.Minute) // the guard that the pause has left
		})
	}
	t.Run("cancel", func(t *testing.T) { pausing(t, (*process).cancel, record.Cancelled, 0) })
	t.Run("resume", func(t *testing.T) { pausing(t, (*process).resume, record.Succeeded, 1) })
}
