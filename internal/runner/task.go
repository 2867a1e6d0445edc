package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// A task of Step Functions that waits for an execution has a record of its own,
// TASK, with an entry of its own in the due index: META's is taken by the dead
// letter when the execution has failed. It is put before META, and whatever ends
// the execution has the sweeper look at it soon, before the end is written. So
// whoever dies, the sweeper finds an end of which the task has not been told. A
// worker that lives tells it at once.
//
// A task waits for the first run: what it is told follows from that run's end,
// which nobody changes any more, so whoever tells it says the same. When it has
// been told, its record stays as a mark without the token, so that a replay of the
// start does not bring it back.

// Spans of a TASK.
const (
	taskFirst  = 2 * time.Minute  // after the start: by then most are done with
	taskSoon   = time.Minute      // after an end that is about to be written
	taskMost   = time.Hour        // between two looks
	taskEarly  = 30 * time.Second // half a minute early is better than half a minute late
	tellWithin = 5 * time.Second
	// taskLinger is how long after the last moment at which its key counts a
	// start is certain not to be finished by anybody.
	taskLinger = time.Hour
)

// Why a TASK is done with.
const (
	taskTold   = "told"
	taskOver   = "over"   // nobody waits any more
	taskOrphan = "orphan" // its execution never came to be
)

// errNoTasks refuses a task rather than ignoring it: Step Functions would wait
// in vain.
var errNoTasks = &problem.Error{
	Code: problem.Invalid, Detail: "tasks of Step Functions are not supported here",
	Faults: []workflow.Fault{{Pointer: "/stepFunctions", Detail: "no AWS region is configured here, so the task could not be answered; set AWS_REGION"}},
}

// storeTask puts the TASK of a start, which may begin at from. Whoever finishes the
// same start finds it there.
func (r *Runner) storeTask(ctx context.Context, t *TaskRequest, pk, id string, from, xp int64) error {
	first := taskFirst
	if t.Heartbeat > 0 {
		first = min(first, beatEvery(t.Heartbeat))
	}
	until := from + (KeyLife + taskLinger).Milliseconds()
	_, err := r.write(ctx, table.Write{
		Key: record.TaskKey(pk), Kind: table.Put, If: table.IfAbsent(),
		Set: record.NewTask(id, t.Token, t.Heartbeat, r.now()+first.Milliseconds(), until, xp),
	}, "")
	if _, there := table.Failed(err); there {
		return nil
	}
	return err
}

// beatEvery leaves room for two signs of life that come late.
func beatEvery(heartbeat time.Duration) time.Duration { return min(heartbeat/3, taskMost) }

// expectEnd has the sweeper look at the task soon, before the end of an
// execution is written, and returns the task, nil where none waits. It does not
// keep the execution from ending: the sweeper looks each hour anyway.
func (r *Runner) expectEnd(ctx context.Context, m *record.Meta) *record.Task {
	if !m.Task || m.Run > 1 {
		return nil
	}
	image, err := r.write(ctx, table.Write{
		Key: record.TaskKey(m.PK), Kind: table.Update, If: taskWaits(),
		Set: table.Attrs{table.DueSK: table.Int(r.now() + taskSoon.Milliseconds()), record.AtTaskTries: table.Int(0)},
	}, "")
	if _, done := table.Failed(err); done {
		return nil
	}
	var t *record.Task
	if err == nil {
		t, err = record.DecodeTask(image)
	}
	if err != nil {
		r.log.Warn("the sweeper could not be asked to look at a task", "execution", m.PK, "error", err)
	}
	return t
}

// taskWaits holds while the task has not been answered, and more holds too.
func taskWaits(more ...table.Test) table.Cond {
	return table.All(append(more, table.Test{Attr: record.AtTaskToken, Op: table.Present})...)
}

// tellEnd tells the task, if there is one, of the end that META's image shows.
// What goes wrong is the sweeper's to do again.
func (r *Runner) tellEnd(ctx context.Context, pk string, t *record.Task, image table.Attrs) {
	if t == nil || r.cfg.Tasks == nil {
		return
	}
	m, err := record.DecodeImage(pk, image)
	if err == nil {
		err = r.answerTask(ctx, t, m)
	}
	if err != nil {
		r.log.Warn("a task could not be told of its execution's end yet", "execution", pk, "error", err)
	}
}

// answerTask tells the task how the execution ended, and then that it is done
// with. Dying in between means telling it once more.
func (r *Runner) answerTask(ctx context.Context, t *record.Task, m *record.Meta) error {
	why := taskTold
	switch err := r.sendEnd(ctx, t, m); {
	case errors.Is(err, step.ErrTaskOver):
		why = taskOver
	case err != nil:
		return err
	}
	return r.closeTask(ctx, m.PK, why)
}

func (r *Runner) sendEnd(ctx context.Context, t *record.Task, m *record.Meta) error {
	var output json.RawMessage
	if m.Status == record.Succeeded {
		var err error
		if output, err = r.Output(ctx, m); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	if m.Status == record.Succeeded {
		return r.cfg.Tasks.Succeed(ctx, t.Token, output)
	}
	name, cause := "Stepline."+string(m.Status), fmt.Sprintf("the execution ended as %s", m.Status)
	if e := m.Error; e != nil {
		if m.Status == record.Failed && e.Category != "" {
			name = "Stepline." + e.Category
		}
		if e.Message != "" {
			cause = e.Message
		}
	}
	return r.cfg.Tasks.Fail(ctx, t.Token, name, cause)
}

// closeTask takes the token away. The mark that stays goes with the execution.
func (r *Runner) closeTask(ctx context.Context, pk, why string) error {
	_, err := r.write(ctx, table.Write{
		Key: record.TaskKey(pk), Kind: table.Update, If: taskWaits(),
		Set:    table.Attrs{record.AtTaskEnd: table.String(why)},
		Remove: []string{record.AtTaskToken, record.AtTaskBeat, record.AtTaskTries, table.DuePK, table.DueSK},
	}, "")
	if _, done := table.Failed(err); done {
		return nil
	}
	return err
}
