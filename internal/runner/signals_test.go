package runner_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// A signal whose body the busy store does not give away has not been seen: the
// holder leaves its lease to the next one instead of going to sleep over it.
func TestAnUnreadableSignalIsNotCountedAsSeen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(asking)
		bodies := w.reads("g#")
		api, one := w.process("api"), w.process("one")
		w.answers("word", answer{then: func(c made) {
			w.accepted("the callback", api.callback(c.id, "word", `"yes"`))
			bodies.busy.Store(true)
		}})
		id := api.begins("asking")
		one.take(w.messages(id)[0]).wait()
		if bodies.read(record.SignalKey(record.PK(tenant, id), 1, "word")) == 0 {
			t.Fatal("nobody has tried to read the callback's body")
		}
		bodies.busy.Store(false)
		w.lambda()
		w.succeeds(id, 2*time.Minute, `{"word":"yes"}`) // the end of a lease; the step's timeout is an hour
		w.called(id, "word", 1)
	})
}

// A signal brings the due entry near, unless it is near already. When the entry
// has moved far since the signal's look, the signal looks again: its message
// may be lost, and it must not sleep until then.
func TestASignalIsFencedByTheDueEntry(t *testing.T) {
	const doc = `
name: waits
steps:
  - {id: x, type: wait, duration: 10m}
  - {id: y, type: wait, duration: 3d}
`
	signals := map[string]struct {
		send  func(*process, string) error
		after record.Status
	}{
		"cancel": {(*process).cancel, record.Cancelled},
		"pause":  {(*process).pause, record.Paused},
	}
	for name, signal := range signals {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(doc)
				w.lambda()
				w.cron()
				api := w.process("api")
				id := api.begins("waits")
				w.pass(9*time.Minute + 59*time.Second)
				slow := w.process("slow")
				w.when(slow, at("signal"), meanwhile(func() {
					w.until("it waits for y", 5*time.Second, func() bool { return time.Until(time.UnixMilli(w.meta(id).DueAt)) > 48*time.Hour })
				}))
				w.when(slow, sending(record.WhySignal), isLost)
				w.accepted(name, signal.send(slow, id))
				w.until("it is "+string(signal.after), 8*time.Minute, func() bool { return w.status(id) == signal.after })
			})
		})
	}
}

// An operator's word on a step whose outcome is unknown may be given again
// after a pause: it resumes the execution, and the step is called once more.
func TestDecidingAgainAfterAPauseResumes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: one\nsteps:\n  - {id: a, type: http, idempotent: false, request: {url: \"http://there/a\"}, attemptTimeout: 1s}\noutput: {a: \"{{ steps.a.output }}\"}\n")
		w.answers("a", answer{after: 3 * time.Second}, answer{})
		api := w.process("api")
		id := api.begins("one")
		w.process("one").take(w.message(id)).wait()
		again := func() error {
			return api.ask(func(ctx context.Context, r *runner.Runner) error {
				return r.Resume(ctx, tenant, id, runner.Decision{Step: "a", As: runner.Again})
			})
		}
		w.accepted("the decision", again())
		w.accepted("pause", api.pause(id))
		w.lambda()
		w.until("it is paused", time.Minute, func() bool { return w.status(id) == record.Paused })
		w.silent(id, 2*time.Minute)
		w.accepted("the same decision", again())
		w.succeeds(id, 5*time.Second, `{"a":{"from":"a"}}`)
		w.called(id, "a", 2)
	})
}

// hangingUp is the queue of a process whose caller hangs up as soon as the
// writes of its request stand.
type hangingUp struct {
	queue.Queue
	hangUp context.CancelFunc
}

// Send implements queue.Queue.
func (q hangingUp) Send(ctx context.Context, ms []queue.Message) []error {
	q.hangUp()
	if err := ctx.Err(); err != nil {
		return []error{err}
	}
	return q.Queue.Send(ctx, ms)
}

// What a request has written stands, whether its caller waits for the answer
// or not; so its message goes out all the same.
func TestAMessageGoesOutAfterItsCallerHungUp(t *testing.T) {
	requests := map[string]func(ctx context.Context, p *process, id string) error{
		"cancel": func(ctx context.Context, p *process, id string) error { return p.runner.Cancel(ctx, tenant, id) },
		"callback": func(ctx context.Context, p *process, id string) error {
			url := p.runner.CallbackURL(&record.Meta{Tenant: tenant, ID: id, Run: 1}, "word")
			return p.runner.Callback(ctx, url[len("http://callbacks/-/callbacks/"):], []byte(`1`))
		},
	}
	patient := func(w *world, request func(context.Context, *process) error) {
		ctx, cancel := context.WithCancel(w.root)
		hasty := w.process("hasty", func(c *runner.Config) { c.Queue = hangingUp{c.Queue, cancel} })
		w.accepted("the request", hasty.ask(func(context.Context, *runner.Runner) error { return request(ctx, hasty) }))
		if ctx.Err() == nil {
			w.t.Fatal("the caller has not hung up")
		}
	}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(asking)
				id := w.process("api").begins("asking")
				w.process("one").take(w.message(id)).wait()
				patient(w, func(ctx context.Context, p *process) error { return request(ctx, p, id) })
				if got := w.message(id); got.Why != record.WhySignal {
					t.Errorf("it has sent %v, want a signal's message", got)
				}
				w.lambda()
				w.ends(id, 2*time.Second)
			})
		})
	}
	t.Run("start", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(oneStep)
			var started runner.Started
			patient(w, func(ctx context.Context, p *process) (err error) {
				started, err = p.runner.Start(ctx, runner.StartRequest{Tenant: tenant, Workflow: "one"})
				return err
			})
			if got := w.message(started.ID); got.Why != record.WhyStart {
				t.Errorf("it has sent %v, want the first message", got)
			}
			w.lambda()
			w.succeeds(started.ID, 2*time.Second, `{"a":{"from":"a"}}`)
		})
	})
}

// A callback that comes after all settles what was unknown: the execution goes
// on by itself, unless a person has paused it.
func TestACallbackSettlesWhatIsUnknown(t *testing.T) {
	for name, byPerson := range map[string]bool{"paused as unknown": false, "paused by a person too": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document("name: asking\nsteps:\n  - {id: word, type: callback, idempotent: false, attemptTimeout: 1s, request: {url: \"http://there/word\", body: {reply: \"{{ callback.url }}\"}}}\noutput: {word: \"{{ steps.word.output }}\"}\n")
				w.answers("word", answer{after: 3 * time.Second})
				w.lambda()
				w.cron()
				api := w.process("api")
				id := api.begins("asking")
				w.until("it is paused", time.Minute, func() bool { return w.status(id) == record.Paused })
				if byPerson {
					w.accepted("pause", api.pause(id)) // it is there already
					w.accepted("resume", api.resume(id))
					w.accepted("pause", api.pause(id))
					w.until("it is paused again", time.Minute, func() bool { return w.status(id) == record.Paused && w.meta(id).Pause })
				}
				w.accepted("the callback", api.callback(id, "word", `"yes"`))
				if byPerson {
					w.pass(5 * time.Minute)
					if got := w.status(id); got != record.Paused {
						t.Fatalf("it is %s, want it paused until a person resumes it", got)
					}
					w.accepted("resume", api.resume(id))
				}
				w.succeeds(id, 5*time.Second, `{"word":"yes"}`)
				w.called(id, "word", 1)
			})
		})
	}
}
