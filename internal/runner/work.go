package runner

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/engine"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// maxParallel bounds the calls one execution makes at a time.
const maxParallel = 64

// closing is the time kept after the last call for its checkpoint and the
// release.
const closing = time.Second

// work advances the execution as far as this lease allows.
func (x *run) work() (err error) {
	x.calls, x.cut = context.WithCancelCause(x.ctx)
	defer x.cut(errCut)
	x.leaseOut = time.AfterFunc(x.leaseLeft(), func() { x.cut(errCut) })
	defer x.leaseOut.Stop()
	x.r.live.add(x)
	defer x.r.live.remove(x)
	defer func() { // after all that is under way has come back
		if x.refused || err != nil && !errors.Is(err, errNotMine) && x.ctx.Err() == nil {
			x.outlived()
		}
	}()
	defer x.settle()
	ticks := x.startTicks()
	defer ticks.stop()

	plan := x.decide()
	x.doubtUntil = 0 // what was in doubt stands in the plan now
	for {
		switch {
		case x.lost:
			x.cut(errCut)
			return errNotMine
		case plan.Finish != nil && x.busy == 0:
			again, err := x.finish(plan.Finish, nil)
			if !again {
				return err
			}
			plan = x.decide()
			continue
		case plan.Finish != nil:
			if x.meta.Cancel {
				x.cut(errCancelled)
			}
		case len(plan.Writes) > 0:
			x.checkpointAll(plan.Writes)
			plan = x.decide()
			continue
		default:
			x.startAll(plan.Calls)
			if x.busy == 0 {
				again, err := x.rest(plan, ticks)
				if !again {
					return err
				}
				plan = x.decide()
				continue
			}
		}
		var end bool
		var err error
		if plan, end, err = x.await(plan, ticks); end {
			return err
		}
	}
}

func (x *run) decide() engine.Plan { return x.machine.Decide(x.view()) }

// settle waits for what is still under way, so that no goroutine outlives its
// invocation. Outcomes that come back now are not ours to write.
func (x *run) settle() {
	x.cut(errCut)
	for x.busy > 0 {
		<-x.events
		x.busy--
	}
}

// leaseLeft is how long calls may go on under the present lease.
func (x *run) leaseLeft() time.Duration {
	return time.Duration(x.until-x.r.now())*time.Millisecond - x.r.times.LeaseGrace
}

// rest is what to do when nothing is under way and nothing can be started:
// wait a little for a due under the lease, or release it.
func (x *run) rest(plan engine.Plan, t *ticks) (again bool, err error) {
	now := x.r.now()
	switch {
	case plan.Blocked:
		return x.releaseOr(x.meta.Deadline, record.Paused, false)
	case x.handover:
		return x.releaseOr(0, record.Queued, true)
	case plan.Next <= now+x.r.times.Hold.Milliseconds() && !x.r.draining() && plan.Next+closing.Milliseconds() < x.mustEnd():
		err := x.sleep(plan.Next, t)
		return err == nil, err
	case x.meta.NotBefore > now:
		return x.releaseOr(plan.Next, record.Queued, false)
	default:
		return x.releaseOr(plan.Next, record.Waiting, false)
	}
}

// sleep waits for a due. A chain of short waits may last long, so the lease is
// renewed and signals are looked for as while a call is under way.
func (x *run) sleep(at int64, t *ticks) error {
	now := x.r.now()
	if at <= now {
		return nil
	}
	t.due(now, at)
	_, err := x.attend(t)
	return err
}

// await waits for one thing to come back and says what to do next.
func (x *run) await(plan engine.Plan, t *ticks) (next engine.Plan, end bool, err error) {
	t.due(x.r.now(), plan.Next)
	came, err := x.attend(t)
	switch {
	case err != nil:
		x.cut(errCut)
		return plan, true, err
	case came == nil:
		return x.decide(), false, nil
	}
	x.busy--
	return x.take(*came)
}

// attend waits for something that came back, or for a reason to decide again.
// What is ready already is taken in a fixed order, outcomes first: select alone
// would choose by chance, and no simulated run could be repeated.
func (x *run) attend(t *ticks) (came *event, err error) {
	select {
	case ev := <-x.events:
		return &ev, nil
	default:
	}
	select {
	case <-t.renew:
		x.renew(t)
		return nil, nil
	default:
	}
	select {
	case <-x.poked:
		x.look(true)
		return nil, nil
	default:
	}
	select {
	case ev := <-x.events:
		return &ev, nil
	case <-t.renew:
		x.renew(t)
	case <-x.poked:
		x.look(true)
	case <-t.look.C:
		t.look.Reset(x.r.times.Look)
		x.look(false)
	case <-t.next.C:
	case <-x.r.drain:
		if x.busy == 0 {
			return nil, nil
		}
		x.handover = true
		x.cut(errCut)
		ev := <-x.events // drain stays closed: from here on only what comes back counts
		return &ev, nil
	case <-x.ctx.Done():
		return nil, x.ctx.Err()
	}
	return nil, nil
}

// take works in what has come back.
func (x *run) take(ev event) (next engine.Plan, end bool, err error) {
	if ev.call == nil {
		x.stored(ev)
		return x.decide(), false, nil
	}
	c := *ev.call
	x.machine.SetInFlight(c.Step, false)
	if ev.cut && (c.Step.Idempotent || !ev.result.Unclear) {
		// Cut short for our own reasons: no outcome. Whoever goes on calls again
		// with the same key.
		x.handover = true
		return x.decide(), false, nil
	}
	var rec *record.Step
	x.r.random(func(rnd *rand.Rand) { rec = x.machine.Outcome(c, ev.result, rnd) })
	if x.busy > 0 {
		x.machine.SetInFlight(c.Step, true) // until it is stored
		x.busy++
		go func() { x.events <- x.checkpoint(rec) }()
		return x.decide(), false, nil
	}
	if rec.Final() {
		x.machine.Apply(rec)
		plan := x.decide()
		if plan.Finish != nil {
			again, err := x.finish(plan.Finish, rec)
			return x.decideIf(again), !again, err
		}
		x.stored(x.checkpoint(rec))
		if !x.lost && x.machine.Record(c.Step) == rec {
			return plan, false, nil
		}
		return x.decide(), false, nil
	}
	x.stored(x.checkpoint(rec))
	return x.decide(), false, nil
}

func (x *run) decideIf(yes bool) (p engine.Plan) {
	if yes {
		p = x.decide()
	}
	return p
}

// stored takes a checkpoint into account. One that could not be made ends the
// work under this lease: the message comes back, and its step is called again.
func (x *run) stored(ev event) {
	if ev.err != nil {
		x.r.log.Warn("checkpoint failed", "execution", x.pk, "error", ev.err)
		x.lost, x.refused = true, true
		return
	}
	x.wroteStep = true
	if s := x.doc.Step(ev.stored.ID); s != nil {
		x.machine.SetInFlight(s, false)
	}
	if s := x.doc.Step(ev.stored.ID); s == nil || x.machine.Record(s) != ev.stored {
		x.machine.Apply(ev.stored)
	}
	if ev.adopted {
		x.machine.Forget() // what was derived from the outcome that lost
	}
}

// outlived takes off, before it is counted, the crash that the takeover of this
// lease will count: its holder lives, and the store or the queue did not do what
// it was asked for. The lease must not be released, for what was called without
// a record is in doubt. Where this write fails too, a crash is counted. Nobody
// but the holder writes a lease under its epoch, so that a renewal without an
// answer is under this condition too.
func (x *run) outlived() {
	_, err := x.r.write(x.ctx, table.Write{
		Key: table.Key{PK: x.pk, SK: "0"}, Kind: table.Update,
		Set: table.Attrs{record.AtCrashes: table.Int(x.meta.Crashes - 1)},
		If:  table.All(equals(record.AtEpoch, x.epoch), table.Test{Attr: record.AtLease, Op: table.Gt, Value: table.Int(0)}),
	}, "")
	if _, failed := table.Failed(err); err != nil && !failed {
		x.r.log.Warn("a store in trouble will count as a crash", "execution", x.pk, "error", err)
	}
}

// checkpointAll makes the writes of a plan, side by side, and takes them into
// account.
func (x *run) checkpointAll(recs []*record.Step) {
	for len(recs) > 0 && !x.lost {
		some := recs[:min(len(recs), maxParallel)]
		recs = recs[len(some):]
		events := make([]event, len(some))
		var wg sync.WaitGroup
		for i := range some[1:] {
			wg.Go(func() { events[i+1] = x.checkpoint(some[i+1]) })
		}
		events[0] = x.checkpoint(some[0])
		wg.Wait()
		for _, ev := range events {
			x.stored(ev)
		}
	}
}

// ticks are the timers of one lease.
type ticks struct {
	look    *time.Timer
	next    *time.Timer
	renewal *time.Timer
	renew   <-chan time.Time // nil where nothing is renewed
}

func (x *run) startTicks() *ticks {
	t := &ticks{look: time.NewTimer(x.r.times.LookAfter), next: time.NewTimer(time.Hour)}
	if x.d.Lane == queue.Solo {
		t.renewal = time.NewTimer(x.r.times.SoloRenew)
		t.renew = t.renewal.C
	}
	return t
}

func (t *ticks) due(now, at int64) {
	if at > now {
		t.next.Reset(time.Duration(at-now) * time.Millisecond)
		return
	}
	t.next.Stop()
}

func (t *ticks) stop() {
	t.look.Stop()
	t.next.Stop()
	if t.renewal != nil {
		t.renewal.Stop()
	}
}

// renewTries is how often a failing renewal is tried in the time of one.
const renewTries = 6

// renew extends a solo lease. Failing that, nothing more is started.
func (x *run) renew(t *ticks) {
	next := x.r.times.SoloRenew
	defer func() { t.renewal.Reset(next) }()
	owner, until := x.r.nonce(true), x.r.now()+x.r.times.SoloLease.Milliseconds()
	image, err := x.r.write(x.ctx, table.Write{
		Key: table.Key{PK: x.pk, SK: "0"}, Kind: table.Update,
		Set: table.Attrs{record.AtLease: table.Int(until), record.AtOwner: table.String(owner)},
		If:  table.All(equals(record.AtEpoch, x.epoch), equals(record.AtLease, x.until)),
	}, owner)
	switch _, failed := table.Failed(err); {
	case failed:
		x.lost = true
	case errors.Is(err, table.ErrUnknown):
		x.lost, x.refused = true, true
	case err != nil:
		x.r.log.Warn("lease not renewed", "execution", x.pk, "error", err)
		next /= renewTries // while the lease lasts
	default:
		x.until, x.owner = until, owner
		x.leaseOut.Reset(x.leaseLeft())
		if err := x.r.cfg.Queue.Extend(x.ctx, x.d, x.r.times.SoloVisible); err != nil {
			x.r.log.Warn("message not extended", "execution", x.pk, "error", err)
		}
		if err := x.see(image); err != nil {
			x.lost, x.refused = true, true
		}
	}
}
