package runner

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Spans of the sweeper (PROTOCOL 3, SWEEPER).
const (
	dueAhead  = 120 * time.Second // entries due within this are looked at
	leaseMore = 60 * time.Second  // after a live lease's end
	dueBehind = 60 * time.Second  // a due this far past has lost its message
	sweepSoon = 5 * time.Minute
	sweepMore = 2 * time.Minute
)

// Sweep is the minute's work: due entries become messages, and starts older
// than three minutes that are still open get an entry, and tasks of Step Functions
// hear what is due. It may run twice at a time, or die anywhere. The first error
// does not stop the rest, and no part waits for another: many dues must keep
// neither orphans from being found nor a task from its sign of life.
func (r *Runner) Sweep(ctx context.Context) error {
	return r.sweep(ctx, r.now()-r.times.SweepLag.Milliseconds(), false)
}

// SweepAll sweeps up to now and sends for everything that is due: what an
// embedded store does when it is opened, since nobody of an earlier process is
// about to.
func (r *Runner) SweepAll(ctx context.Context) error { return r.sweep(ctx, r.now(), true) }

func (r *Runner) sweep(ctx context.Context, upTo int64, send bool) error {
	var starts, tasks error
	var wg sync.WaitGroup
	wg.Go(func() { starts = r.sweepStarts(ctx, upTo, send) })
	wg.Go(func() { tasks = r.sweepTasks(ctx) })
	due := r.sweepDue(ctx)
	wg.Wait()
	return errors.Join(due, starts, tasks)
}

// dueSweepers is how many due shards are swept at a time. Each entry takes a
// read, a send and a write, so that one after the other a minute would hold
// some thousand.
const dueSweepers = 8

func (r *Runner) sweepDue(ctx context.Context) error {
	waiting := r.backlogs(ctx)
	return eachDueShard(func(shard int) error {
		var errs []error
		err := r.queryDue(ctx, shard, dueAhead, func(it table.Item) error {
			if it.SK == record.TaskSK {
				return nil
			}
			if err := r.sweepEntry(ctx, it.PK, waiting); err != nil {
				errs = append(errs, err)
			}
			return ctx.Err()
		})
		return errors.Join(append(errs, err)...)
	})
}

// eachDueShard calls f for each due shard, some at a time.
func eachDueShard(f func(shard int) error) error {
	var errs [record.DueShards]error
	var wg sync.WaitGroup
	for n := range dueSweepers {
		wg.Go(func() {
			for shard := n; shard < record.DueShards; shard += dueSweepers {
				errs[shard] = f(shard)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// queryDue calls each for the entries of a due shard that are due within ahead.
func (r *Runner) queryDue(ctx context.Context, shard int, ahead time.Duration, each func(table.Item) error) error {
	to := strconv.FormatInt(r.now()+ahead.Milliseconds(), 10)
	return r.query(ctx, table.Query{Index: table.Due, PK: record.DueShard(shard), To: to}, each)
}

// sweepEntry looks at one due entry. The index may lag, so META decides.
func (r *Runner) sweepEntry(ctx context.Context, pk string, waiting map[queue.Lane]int) error {
	m, err := r.meta(ctx, pk, true)
	now := r.now()
	if err != nil || m == nil || m.Status.Terminal() || m.DuePK == "" || m.DueAt > now+dueAhead.Milliseconds() {
		return err
	}
	switch {
	case m.LeaseUntil != 0 && r.leaseLive(m, now):
		return r.moveDue(ctx, m, m.LeaseUntil+leaseMore.Milliseconds(), 0)
	case m.Status == record.Paused && m.Deadline > now && m.DueAt != m.Deadline:
		return r.moveDue(ctx, m, m.Deadline, 0)
	case m.LeaseUntil == 0 && m.NextDue > now-dueBehind.Milliseconds() && m.DueAt != m.NextDue:
		if m.NextDue > now+queue.MaxDelay.Milliseconds() {
			return r.moveDue(ctx, m, m.NextDue, 0)
		}
		return r.moveDue(ctx, m, m.NextDue+sweepMore.Milliseconds(), 0)
	}
	if m.Resends > 0 && backlogged(m, now, waiting[laneOf(m)]) {
		return nil // its first message is in the backlog; the entry stays due
	}
	hint := record.Message{PK: pk, Run: m.Run, Epoch: m.Epoch, Why: record.WhyWatch}
	if err := r.send(ctx, laneOf(m), hint, r.until(m.DueAt)); err != nil {
		return err
	}
	return r.moveDue(ctx, m, now+backoffMinutes(m.Resends).Milliseconds(), 1)
}

// A re-send waits while messages wait in its lane, for its own is probably
// among them and every one more would only grow the backlog: an hour without
// workers must not leave an execution more messages than one or two. It waits
// resendWait at most, so that a lane that is never quite empty does not silence
// an execution that has lost its message, but as long as it takes where more
// than backlogHigh wait.
const (
	backlogHigh = 1000
	resendWait  = time.Hour
)

// backlogged reports whether the message that was sent for an execution before is
// probably still among those that wait in its lane.
func backlogged(m *record.Meta, now int64, waiting int) bool {
	return waiting > backlogHigh || waiting > 0 && now < m.DueAt+resendWait.Milliseconds()
}

// backlogs counts what waits in each lane. One that cannot be counted is empty.
func (r *Runner) backlogs(ctx context.Context) map[queue.Lane]int {
	waiting := map[queue.Lane]int{}
	for _, l := range []queue.Lane{queue.High, queue.Normal, queue.Low} {
		if visible, _, _, err := r.cfg.Queue.Depth(ctx, l); err == nil {
			waiting[l] = visible
		}
	}
	return waiting
}

// moveDue sets the due entry under the index rule. Losing to another writer is
// fine: it has decided on newer facts, and so will the next sweep.
func (r *Runner) moveDue(ctx context.Context, m *record.Meta, at int64, resent int64) error {
	w := table.Write{
		Key: table.Key{PK: m.PK, SK: "0"}, Kind: table.Update,
		Set: table.Attrs{table.DuePK: table.String(record.DuePK(m.ID)), table.DueSK: table.Int(at)},
		If:  indexRule(m),
	}
	if resent != 0 {
		w.Add = map[string]int64{record.AtResends: resent}
	}
	_, err := r.write(ctx, w, "")
	if _, moved := table.Failed(err); moved {
		return nil
	}
	return err
}

// sweepStarts looks at the starts up to a time that it has not yet looked at.
func (r *Runner) sweepStarts(ctx context.Context, upTo int64, send bool) error {
	var errs []error
	err := r.query(ctx, table.Query{PK: record.TenantsPK}, func(it table.Item) error {
		for shard := range max(1, int(it.Attrs["shards"].Int())) {
			errs = append(errs, r.sweepShard(ctx, it.SK, shard, upTo, send))
		}
		return ctx.Err()
	})
	return errors.Join(append(errs, err)...)
}

// sweepShard goes over one history partition from its cursor on.
func (r *Runner) sweepShard(ctx context.Context, tenant string, shard int, upTo int64, send bool) error {
	cursor := table.Key{PK: "~sweep", SK: record.HistShard(tenant, shard)}
	from, err := r.sweptTo(ctx, cursor)
	if err != nil {
		return err
	}
	q := table.Query{
		Index: table.Hist, PK: cursor.SK,
		From: record.PK(tenant, record.FirstID(time.UnixMilli(from))),
		To:   record.PK(tenant, record.LastID(time.UnixMilli(upTo))),
	}
	var pks []table.Key
	var errs []error // of single records; they must not hold the others up
	flush := func() error {
		errs = append(errs, r.sweepMetas(ctx, pks, send))
		pks = pks[:0]
		return ctx.Err()
	}
	err = r.query(ctx, q, func(it table.Item) error {
		if pks = append(pks, table.Key{PK: it.PK, SK: "0"}); len(pks) < table.MaxGet {
			return nil
		}
		if err := flush(); err != nil {
			return err
		}
		_, id, _ := record.SplitPK(it.PK)
		reached, err := record.CreatedAt(id)
		if err != nil || len(errs) > 0 && errors.Join(errs...) != nil {
			return err // the cursor stays before what was not looked at
		}
		return r.sweptUpTo(ctx, cursor, reached.UnixMilli())
	})
	if err == nil {
		err = flush()
	}
	if err = errors.Join(append(errs, err)...); err != nil {
		return err
	}
	return r.sweptUpTo(ctx, cursor, upTo)
}

// sweptUpTo moves a partition's cursor on: a sweep that runs out of time has
// done what it has done.
func (r *Runner) sweptUpTo(ctx context.Context, cursor table.Key, at int64) error {
	_, err := r.write(ctx, table.Write{
		Key: cursor, Kind: table.Put, Set: table.Attrs{"at": table.Int(at)},
		If: table.Cond{{{Attr: table.SKAttr, Op: table.Absent}}, {{Attr: "at", Op: table.Lt, Value: table.Int(at)}}},
	}, "")
	if _, failed := table.Failed(err); failed {
		return nil // another sweep got further
	}
	return err
}

// sweptTo is the time up to which starts were looked at. A minute is looked at
// twice, for clocks differ.
func (r *Runner) sweptTo(ctx context.Context, cursor table.Key) (int64, error) {
	items, err := r.get(ctx, true, cursor)
	if err != nil || len(items) == 0 {
		return 0, err
	}
	return max(items[0].Attrs["at"].Int()-time.Minute.Milliseconds(), 0), nil
}

// unreadable stands for the status of a META that this binary cannot read.
const unreadable record.Status = "unreadable"

// sweepMetas gives what is open and unwatched its due entry, and sends what
// has lost its holder to solo.
func (r *Runner) sweepMetas(ctx context.Context, keys []table.Key, send bool) error {
	if len(keys) == 0 {
		return nil
	}
	seen := map[string]*record.Meta{}
	for _, strong := range []bool{false, true} {
		var missing []table.Key
		for _, k := range keys {
			if seen[k.PK] == nil {
				missing = append(missing, k)
			}
		}
		if len(missing) == 0 {
			break
		}
		items, err := r.get(ctx, strong, missing...)
		if err != nil {
			return err
		}
		for _, it := range items {
			m, err := record.DecodeMeta(it)
			if err != nil { // of a newer binary, say: no reason to leave the others
				r.log.Error("execution not swept", "execution", it.PK, "error", err)
				m = &record.Meta{PK: it.PK, Status: unreadable}
			}
			seen[it.PK] = m
		}
	}
	var errs []error
	for _, k := range keys {
		if m := seen[k.PK]; m != nil && m.Status != unreadable {
			errs = append(errs, r.sweepMeta(ctx, m, send))
		}
	}
	return errors.Join(errs...)
}

func (r *Runner) sweepMeta(ctx context.Context, m *record.Meta, send bool) error {
	now := r.now()
	if m.Status.Terminal() {
		return nil
	}
	hint := record.Message{PK: m.PK, Run: m.Run, Epoch: m.Epoch, Why: record.WhyWatch}
	switch {
	case m.LeaseUntil != 0 && !r.leaseLive(m, now) && (send || m.DuePK == ""): // once: then its due entry watches it
		hint.Why = record.WhyTakeover
		if err := r.send(ctx, queue.Solo, hint, 0); err != nil {
			return err
		}
	case send && m.LeaseUntil == 0 && m.NextDue <= now:
		if err := r.send(ctx, laneOf(m), hint, 0); err != nil {
			return err
		}
	}
	if m.DuePK != "" {
		return nil
	}
	return r.watch(ctx, m, max(now+sweepSoon.Milliseconds(), m.NextDue+sweepMore.Milliseconds()))
}

// watch gives an open execution a due entry. It must not be lost to a stale
// read: the cursor moves on and will not come back.
func (r *Runner) watch(ctx context.Context, m *record.Meta, at int64) error {
	for range signalTries {
		_, err := r.write(ctx, table.Write{
			Key: table.Key{PK: m.PK, SK: "0"}, Kind: table.Update,
			Set: table.Attrs{table.DuePK: table.String(record.DuePK(m.ID)), table.DueSK: table.Int(at)},
			If:  indexRule(m),
		}, "")
		old, moved := table.Failed(err)
		if !moved {
			return err
		}
		if old == nil {
			return nil
		}
		if m, err = record.DecodeImage(m.PK, old); err != nil || m.Status.Terminal() || m.DuePK != "" {
			return err
		}
	}
	return errNotMine
}
