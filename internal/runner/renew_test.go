package runner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// A renewal that the store was too busy for is tried again while the lease
// lasts: a long call that must not be repeated is not cut short.
func TestAFailedRenewalIsTriedAgainBeforeTheLeaseEnds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: long\nsteps:\n  - {id: a, type: http, idempotent: false, request: {url: \"http://there/a\"}, attemptTimeout: 5m}\noutput: {a: \"{{ steps.a.output }}\"}\n")
		w.answers("a", answer{after: 3 * time.Minute})
		w.lambda()
		busy := w.when(nil, at("renewal"), func(*op, func() error) error { return table.ErrBusy })
		busy.times = 6
		id := w.process("api").begins("long")
		w.succeeds(id, 4*time.Minute, `{"a":{"from":"a"}}`)
		w.called(id, "a", 1)
		if got := busy.sprung(); got != busy.times {
			t.Errorf("%d renewals met a busy store, want %d", got, busy.times)
		}
	})
}

// An answer that comes as the lease ends is an answer, also one that says "408":
// it counts, and the step is not called once more than it may be.
func TestAFailureThatIsAnswerCountsAtTheEndOfALease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: once\nsteps:\n  - {id: a, type: http, idempotent: false, attemptTimeout: 5m, retry: {strategy: none}, request: {url: \"http://there/a\"}}\n")
		w.answers("a", answer{fails: retry.Timeout, then: func(c made) { c.by.freeze(70 * time.Second) }})
		w.lambda()
		id := w.process("api").begins("once")
		if m := w.ends(id, 80*time.Second); m.Status != record.Failed || m.Error.Category != string(retry.Timeout) {
			t.Errorf("it ends as %s (%v), want failed by the answer", m.Status, m.Error)
		}
		w.called(id, "a", 1)
	})
}

// The call of an Express state machine cannot be repeated: however short, it is
// made on solo, where no other execution can take its worker along.
func TestAnExpressStateMachineIsCalledOnSolo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: short\nsteps:\n  - {id: a, type: stepfunctions, express: true, attemptTimeout: 5s, stateMachine: \"arn:aws:states:eu-central-1:111122223333:stateMachine:stepline-quick\"}\n")
		first := w.process("first")
		id := first.begins("short")
		first.take(w.message(id)).wait()
		if n := len(w.calls(id, "a")); n != 0 {
			t.Fatalf("%d calls on the lane that is shared, want none", n)
		}
		m := w.message(id)
		if m.lane != queue.Solo {
			t.Fatalf("it goes on by %s, want solo", m)
		}
		w.process("solo").take(m).wait()
		w.called(id, "a", 1)
	})
}

// shortWaits calls once, which takes it to the solo lane, and then only waits,
// each time too short to be released, for longer than a lease lasts.
func shortWaits() string {
	doc := "name: long\nsteps:\n  - {id: a, type: http, request: {url: \"http://there/a\"}, attemptTimeout: 2m}\n"
	for i := range 120 {
		doc += fmt.Sprintf("  - {id: w%d, type: wait, duration: \"900ms\"}\n", i)
	}
	return doc
}

func TestAHolderThatOnlyWaitsRenewsItsLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(shortWaits())
		w.lambda()
		w.cron()
		w.when(nil, at("renewal"), meanwhile(func() {})).times = 3
		w.when(nil, at("takeover"), func(_ *op, apply func() error) error {
			t.Error("another took over although the holder lives")
			return apply()
		}).often()
		id := w.process("api").begins("long")
		m := w.ends(id, 2*time.Minute+10*time.Second)
		if m.Status != record.Succeeded || m.Epoch != 2 {
			t.Errorf("it ends as %s in epoch %d, want succeeded in the second, that of solo", m.Status, m.Epoch)
		}
	})
}

func TestAHolderThatOnlyWaitsSeesACancel(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(shortWaits())
		w.lambda()
		id, mute := w.process("api").begins("long"), w.process("mute")
		w.pass(20 * time.Second)
		w.when(mute, sending(record.WhySignal), isLost)
		w.accepted("cancel", mute.cancel(id))
		if m := w.ends(id, 3*time.Second); m.Status != record.Cancelled {
			t.Errorf("it ends as %s, want cancelled", m.Status)
		}
	})
}

// Whoever takes over reads first: where the store gives nothing away, that is
// no crash of the execution.
func TestTroubleReadingIsNoCrash(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		input := w.reads("1")
		w.answers("a", answer{after: 20 * time.Second}, answer{})
		api, one := w.process("api"), w.process("one")
		s, err := api.start(runner.StartRequest{Workflow: "one", Input: json.RawMessage(bulky(5))})
		w.accepted("start", err)
		one.take(w.message(s.ID))
		w.until("a is called", time.Second, func() bool { return len(w.calls(s.ID, "a")) == 1 })
		one.kill()
		input.busy.Store(true)
		input.forget()
		w.lambda()
		w.cron()
		w.pass(40 * time.Minute)
		if n := input.read(table.Key{PK: record.PK(tenant, s.ID), SK: "1"}); n < 4 {
			t.Errorf("the input was asked for %d times, want more than crashes are allowed", n)
		}
		if m := w.meta(s.ID); m.Status != record.Running || m.Crashes != 0 || m.Epoch != 1 {
			t.Errorf("%s in epoch %d after %d crashes, want it as its dead holder left it", m.Status, m.Epoch, m.Crashes)
		}
		input.busy.Store(false)
		w.succeeds(s.ID, 2*time.Hour, `{"a":{"from":"a"}}`)
		w.called(s.ID, "a", 2)
	})
}

// A wait under the lease ends with its invocation, at once: with the context
// over there is nothing more to wait for.
func TestAWaitEndsWithItsInvocation(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: short\nsteps:\n  - {id: w, type: wait, duration: 900ms}\n")
		id, one := w.process("api").begins("short"), w.process("one")
		ctx, cancel := context.WithTimeout(w.root, 10*time.Second)
		d := queue.Delivery{ID: w.message(id).id, Body: w.message(id).body, Lane: queue.Normal, Sent: time.Now(), Receives: 1}
		w.accepted("the batch", one.ask(func(context.Context, *runner.Runner) error {
			time.AfterFunc(300*time.Millisecond, cancel)
			before := time.Now()
			if failed := one.runner.Handle(ctx, []queue.Delivery{d}); len(failed) != 1 {
				t.Errorf("%v failed, want the one message to come back", failed)
			}
			if took := time.Since(before); took > 400*time.Millisecond {
				t.Errorf("it went on for %s", took)
			}
			return nil
		}))
		if got := w.status(id); got != record.Running {
			t.Errorf("%s, want it left to the next worker", got)
		}
	})
}

// reluctant is a queue that is too busy to extend a message the first times.
type reluctant struct {
	queue.Queue
	busy *int
}

func (q reluctant) Extend(ctx context.Context, d queue.Delivery, visibility time.Duration) error {
	if *q.busy--; *q.busy >= 0 {
		return queue.ErrBusy
	}
	return q.Queue.Extend(ctx, d, visibility)
}

// A message of solo is not given up, for the sixteen minutes that its queue
// hides it, because the queue is busy for a moment.
func TestABusyQueueDelaysSoloByMoments(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: long\nsteps:\n  - {id: a, type: http, request: {url: \"http://there/a\"}, attemptTimeout: 5m}\noutput: {a: \"{{ steps.a.output }}\"}\n")
		id := w.process("api").begins("long")
		w.process("shared").take(w.message(id)).wait() // hands it over
		busy := 4
		w.process("solo", func(c *runner.Config) { c.Queue = reluctant{c.Queue, &busy} }).take(w.message(id)).wait()
		w.succeeds(id, time.Second, `{"a":{"from":"a"}}`)
		if busy >= 0 {
			t.Error("the queue was not busy")
		}
	})
}
