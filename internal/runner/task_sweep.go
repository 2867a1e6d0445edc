package runner

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// taskSweepers is how many tasks are swept at a time: a Step Functions that does
// not answer holds each for seconds.
const taskSweepers = 16

// sweepTasks looks at the tasks that are due. They are found by a reading of the
// due shards of their own: an entry of theirs stands behind all that was due
// before it, and working those off may take longer than a heartbeat lasts.
func (r *Runner) sweepTasks(ctx context.Context) error {
	due, err := r.dueTasks(ctx)
	errs := make([]error, taskSweepers)
	var wg sync.WaitGroup
	for n := range min(taskSweepers, len(due)) {
		wg.Go(func() {
			for i := n; i < len(due) && ctx.Err() == nil; i += taskSweepers {
				errs[n] = errors.Join(errs[n], r.sweepTask(ctx, due[i].PK))
			}
		})
	}
	wg.Wait()
	return errors.Join(errors.Join(errs...), err)
}

// dueTasks are the entries of the tasks that are due, the longest due first. What
// could not be read does not keep the rest from being looked at.
func (r *Runner) dueTasks(ctx context.Context) ([]table.Item, error) {
	var found [record.DueShards][]table.Item
	err := eachDueShard(func(shard int) error {
		return r.queryDue(ctx, shard, taskEarly, func(it table.Item) error {
			if it.SK == record.TaskSK {
				found[shard] = append(found[shard], it)
			}
			return nil
		})
	})
	due := slices.Concat(found[:]...)
	slices.SortStableFunc(due, func(a, b table.Item) int {
		return cmp.Compare(a.Attrs[table.DueSK].Int(), b.Attrs[table.DueSK].Int())
	})
	return due, err
}

// sweepTask looks at a task's due entry: an ended execution's task is told, an
// open one's gets its sign of life. Trouble with Step Functions puts it off and
// is no failure of the sweep.
func (r *Runner) sweepTask(ctx context.Context, pk string) error {
	items, err := r.get(ctx, true, record.TaskKey(pk), table.Key{PK: pk, SK: "0"})
	if err != nil {
		return err
	}
	var t *record.Task
	var m *record.Meta
	for _, it := range items {
		switch {
		case record.Expired(it.Attrs, r.cfg.Now()):
		case it.SK == record.TaskSK:
			t, err = record.DecodeTask(it.Attrs)
		default:
			m, err = record.DecodeMeta(it)
		}
		if err != nil {
			return err
		}
	}
	if t == nil || t.Token == "" || t.DueAt > r.now()+taskEarly.Milliseconds() {
		return nil
	}
	next, err := r.lookAtTask(ctx, pk, t, m)
	if err != nil {
		r.log.Warn("a task of Step Functions is not answered yet", "execution", pk, "error", err)
	}
	if next == 0 {
		return nil
	}
	return r.putOffTask(ctx, pk, t, r.now()+next.Milliseconds())
}

// lookAtTask does what is due for a task and says when to look again; 0: never.
func (r *Runner) lookAtTask(ctx context.Context, pk string, t *record.Task, m *record.Meta) (next time.Duration, err error) {
	later := min(time.Minute<<min(t.Tries, 6), taskMost)
	switch {
	case r.cfg.Tasks == nil:
		return later, errors.New("no AWS region is configured; set AWS_REGION")
	case m == nil && r.now() > t.Until:
		return 0, r.closeTask(ctx, pk, taskOrphan)
	case m == nil:
		return later, nil // its start may still be finished
	}
	if m, err = r.firstEnd(ctx, m); err != nil {
		return later, err
	}
	switch {
	case m.Status.Terminal():
		if err := r.answerTask(ctx, t, m); err != nil {
			return later, err
		}
		return 0, nil
	case t.Beat > 0:
		return r.beatTask(ctx, t, m)
	}
	return later, nil
}

// firstEnd is META as it was at the end of the first run, or as it is while that
// is open.
func (r *Runner) firstEnd(ctx context.Context, m *record.Meta) (*record.Meta, error) {
	if m.Run == 1 {
		return m, nil
	}
	return r.Earlier(ctx, m, 1)
}

// beatTask gives a sign of life. Where nobody waits for it any more, nobody waits
// for the execution either, so it is cancelled.
func (r *Runner) beatTask(ctx context.Context, t *record.Task, m *record.Meta) (next time.Duration, err error) {
	next = beatEvery(t.Beat)
	beat, cancel := context.WithTimeout(ctx, tellWithin)
	err = r.cfg.Tasks.Beat(beat, t.Token)
	cancel()
	if !errors.Is(err, step.ErrTaskOver) {
		if err != nil {
			next = min(next, time.Minute)
		}
		return next, err
	}
	if err := r.Cancel(ctx, m.Tenant, m.ID); err != nil && problem.CodeOf(err) != problem.Conflict {
		return time.Minute, err
	}
	r.log.Info("cancelled, since the task that waited for it is over", "execution", m.PK)
	return 0, r.closeTask(ctx, m.PK, taskOver)
}

// putOffTask sets when to look again. Whoever moved the entry since knows better.
func (r *Runner) putOffTask(ctx context.Context, pk string, t *record.Task, at int64) error {
	_, err := r.write(ctx, table.Write{
		Key: record.TaskKey(pk), Kind: table.Update,
		Set: table.Attrs{table.DueSK: table.Int(at), record.AtTaskTries: table.Int(t.Tries + 1)},
		If:  taskWaits(equals(table.DueSK, t.DueAt)),
	}, "")
	if _, moved := table.Failed(err); moved {
		return nil
	}
	return err
}
