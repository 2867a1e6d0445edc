package runner

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Handle works on a batch of messages, concurrently, and returns the ids of
// those that must come back. It never fails one execution for another's sake.
func (r *Runner) Handle(ctx context.Context, ds []queue.Delivery) []string {
	return r.each(ctx, ds, r.deliver)
}

var _ queue.Handler = (*Runner)(nil).Handle

// each calls f for all of a batch at once. Where the pump takes it, it hears of
// each as it ends, so that a slow one does not keep the others' places.
func (r *Runner) each(ctx context.Context, ds []queue.Delivery, f func(context.Context, queue.Delivery) error) []string {
	errs := make([]error, len(ds))
	one := func(i int) {
		if errs[i] = r.guarded(ctx, ds[i], f); ds[i].Done != nil && len(ds) > 1 { // one alone is reported with its batch
			ds[i].Done(errs[i] == nil)
		}
	}
	if len(ds) == 1 {
		one(0)
	} else {
		var wg sync.WaitGroup
		for i := range ds {
			wg.Go(func() { one(i) })
		}
		wg.Wait()
	}
	var failed []string
	for i, err := range errs {
		if err != nil {
			failed = append(failed, ds[i].ID)
		}
	}
	return failed
}

// guarded calls f for one delivery; a panic is an error as well.
func (r *Runner) guarded(ctx context.Context, d queue.Delivery, f func(context.Context, queue.Delivery) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic", "message", d.ID, "panic", p, "stack", string(debug.Stack()))
			err = errors.New("panic")
		}
		if err != nil {
			r.log.LogAttrs(ctx, slog.LevelWarn, "message not done", slog.String("message", d.ID), slog.Int("receives", d.Receives), slog.Any("error", err))
		}
	}()
	return f(ctx, d)
}

// errNotMine ends work under a lease that is no longer held: the message is
// reported failed, for it may by now be the new holder's token.
var errNotMine = errors.New("the lease is no longer held")

// deliver works on one message. A nil answer acknowledges it.
func (r *Runner) deliver(ctx context.Context, d queue.Delivery) error {
	ctx = table.WithMeter(ctx, &table.Meter{}) // the lease is part of what the execution costs
	msg, err := record.DecodeMessage(d.Body)
	if err != nil {
		return err
	}
	if d.Lane == queue.Solo {
		if err := r.shorten(ctx, d); err != nil {
			return err
		}
	}
	if r.draining() {
		return errors.New("draining")
	}
	if msg.Hops >= record.MaxHops {
		return r.endLoop(ctx, msg)
	}
	for range signalTries {
		x, old, err := r.tryLease(ctx, d, msg)
		if err != nil {
			return err
		}
		if x != nil {
			return x.work()
		}
		again, err := r.unleased(ctx, d, msg, old)
		if !again || err != nil {
			return err
		}
	}
	return errNotMine
}

// shorten has a message of solo return soon if this worker dies: the queue's own
// visibility is as long as AWS wants it. It has patience with a queue that is
// busy, since the message would be gone for that long if it were given up.
func (r *Runner) shorten(ctx context.Context, d queue.Delivery) error {
	return r.patiently(ctx, func() error { return r.cfg.Queue.Extend(ctx, d, r.times.SoloVisible) })
}

// tryLease asks for the lease; without it, old is the META that stood in the
// way, nil when there is none.
func (r *Runner) tryLease(ctx context.Context, d queue.Delivery, msg record.Message) (x *run, old *record.Meta, err error) {
	now, owner := r.now(), r.nonce(d.Lane == queue.Solo)
	until := r.leaseEnd(ctx, d.Lane, now)
	free := table.Test{Attr: record.AtLease, Op: table.Eq, Value: table.Int(0)}
	due := table.Test{Attr: record.AtNextDue, Op: table.Le, Value: table.Int(now)}
	image, err := r.write(ctx, table.Write{
		Key: table.Key{PK: msg.PK, SK: "0"}, Kind: table.Update,
		Set: leaseSet(now, until, d.ID, owner),
		Add: map[string]int64{record.AtEpoch: 1},
		If: table.Cond{
			{free, statusIs(record.Queued), due},
			{free, statusIs(record.Waiting), due},
			{free, statusIs(record.Paused), {Attr: record.AtDeadline, Op: table.Le, Value: table.Int(now)}},
		},
	}, owner)
	if image, failed := table.Failed(err); failed {
		if image == nil || record.Expired(image, r.cfg.Now()) {
			return nil, nil, nil
		}
		old, err = record.DecodeImage(msg.PK, image)
		return nil, old, err
	}
	if err != nil {
		return nil, nil, err
	}
	meta, err := record.DecodeImage(msg.PK, image)
	if err != nil {
		return nil, nil, err
	}
	x = r.newRun(ctx, d, msg, meta)
	if err := x.hold(image, owner, until); err != nil {
		return nil, nil, err
	}
	if err := x.load(nil); err != nil {
		return nil, nil, x.giveBack(err)
	}
	return x, nil, nil
}

func leaseSet(now, until int64, message, owner string) table.Attrs {
	return table.Attrs{
		record.AtStatus: table.String(string(record.Running)), record.AtLease: table.Int(until),
		record.AtMessage: table.String(message), record.AtOwner: table.String(owner), record.AtLeased: table.Int(now),
	}
}

func statusIs(s record.Status) table.Test {
	return table.Test{Attr: record.AtStatus, Op: table.Eq, Value: table.String(string(s))}
}

func equals(attr string, n int64) table.Test {
	return table.Test{Attr: attr, Op: table.Eq, Value: table.Int(n)}
}

// leaseEnd is leaseUntil of a lease that begins now: on the shared lanes the
// invocation's deadline and a grace, on solo a span that is renewed.
func (r *Runner) leaseEnd(ctx context.Context, lane queue.Lane, now int64) int64 {
	end, ok := ctx.Deadline()
	if lane == queue.Solo || !ok {
		return now + r.times.SoloLease.Milliseconds()
	}
	return end.Add(r.times.LeaseGrace).UnixMilli()
}

// unleased answers a message whose execution could not be leased. again asks
// for another try at once.
func (r *Runner) unleased(ctx context.Context, d queue.Delivery, msg record.Message, old *record.Meta) (again bool, err error) {
	if old == nil || old.Status.Terminal() {
		return false, nil
	}
	known := msg.Epoch
	if old.Message == d.ID {
		known = old.Epoch
	}
	hint := record.Message{PK: msg.PK, Run: old.Run, Epoch: known, Hops: msg.Hops + 1, Off: msg.Off}
	now := r.now()
	switch {
	case old.LeaseUntil != 0 && r.leaseLive(old, now):
		hint.Why = record.WhyGuard
		return false, r.send(ctx, laneOf(old), hint, r.until(old.LeaseUntil+3000))
	case old.LeaseUntil != 0:
		return false, r.expired(ctx, d, msg, hint, old)
	case old.Status == record.Paused && old.Deadline > now:
		return false, nil
	case old.NextDue <= now:
		return true, nil // it was freed in between
	case old.NextDue-now <= r.times.SkewGrace.Milliseconds():
		return true, r.sleepUntil(ctx, old.NextDue)
	case old.DueAt == old.NextDue, known <= old.Epoch-3:
		return false, nil
	default:
		hint.Why = record.WhyTimer
		return false, r.send(ctx, laneOf(old), hint, r.until(old.NextDue))
	}
}

// leaseLive reports whether a held lease may still be in use, by any clock
// within the tolerated skew.
func (r *Runner) leaseLive(m *record.Meta, now int64) bool {
	return now < m.LeaseUntil+r.times.SkewGrace.Milliseconds() && !r.cfg.Dead(m.Owner)
}

func (r *Runner) sleepUntil(ctx context.Context, at int64) error {
	t := time.NewTimer(time.Duration(at-r.now()) * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// expired takes over from a holder that died. A shared lane writes nothing and
// passes the execution on to solo, so that a poisoned one kills only itself.
func (r *Runner) expired(ctx context.Context, d queue.Delivery, msg, hint record.Message, old *record.Meta) error {
	if d.Lane != queue.Solo {
		hint.Why = record.WhyTakeover
		return r.send(ctx, queue.Solo, hint, 0)
	}
	recs, err := r.loadSteps(ctx, old)
	if err != nil {
		return err
	}
	crashes := old.Crashes + 1
	switch {
	case countOutcomes(recs) > old.Outcomes:
		crashes = 1
	case r.cfg.Dead(old.Owner) && !strings.HasSuffix(old.Owner, soloMark):
		crashes = old.Crashes // a restart alone is nobody's crash
	}
	if crashes > maxCrashes {
		return r.endCrashed(ctx, old, died)
	}
	leave, free := r.quarantine.enter(crashes)
	if !free {
		hint.Why = record.WhyTakeover
		return r.send(ctx, queue.Solo, hint, quarantineWait)
	}
	defer leave()
	return r.takeOver(ctx, d, msg, old, recs, crashes)
}

// takeOver leases what its holder has left behind, and works on it.
func (r *Runner) takeOver(ctx context.Context, d queue.Delivery, msg record.Message, old *record.Meta, recs map[string]*record.Step, crashes int64) error {
	x := r.newRun(ctx, d, msg, old)
	if err := x.load(recs); err != nil {
		return err // before a crash is counted that is none
	}
	now, owner := r.now(), r.nonce(true)
	until := r.leaseEnd(ctx, d.Lane, now)
	set := leaseSet(now, until, d.ID, owner)
	set[record.AtCrashes], set[record.AtOutcomes], set[record.AtTakeover] = table.Int(crashes), table.Int(countOutcomes(recs)), table.Int(1)
	image, err := r.write(ctx, table.Write{
		Key: table.Key{PK: old.PK, SK: "0"}, Kind: table.Update, Set: set,
		Add: map[string]int64{record.AtEpoch: 1},
		If:  table.All(equals(record.AtEpoch, old.Epoch), equals(record.AtLease, old.LeaseUntil)),
	}, owner)
	if _, failed := table.Failed(err); failed {
		return errNotMine // somebody was faster; the message comes back and looks again
	}
	if err != nil {
		return err
	}
	if err := x.hold(image, owner, until); err != nil {
		return err
	}
	if x.meta.Signals != old.Signals {
		if x.marks, err = x.readMarks(x.meta); err != nil {
			x.outlived()
			return err // never given back: that would forget what is in doubt
		}
	}
	x.doubtUntil = old.LeaseUntil
	return x.work()
}

// maxCrashes is how many lives on solo an execution has without a new outcome.
// A poisoned one needs no more than one; the others are for the healthy ones
// whose processes are killed from outside, each time in the middle of the same
// step. Of 2,000 executions with a process killed every five seconds some 400
// are taken over, and of these one in forty dies again before its step is
// recorded, and so on: two lives would end a healthy one in every fourth such
// test, four do it in one of thousands. With five, the end of a poisoned one
// would come later than 8 minutes after its first death.
const maxCrashes = 4

// countOutcomes counts the steps that have their outcome.
func countOutcomes(recs map[string]*record.Step) int64 {
	var n int64
	for _, s := range recs {
		if s.Final() {
			n++
		}
	}
	return n
}
