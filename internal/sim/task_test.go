package sim

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// task is a task of Step Functions that waits for an execution, by the token that
// its start brings.
type task struct {
	x         *execution // nil until it is born
	heartbeat time.Duration
	told      string // the first end that it was told; "": none yet
	closed    bool   // it has been told, or its state machine waits no more
	gaveUp    bool
}

// drawTask gives some starts a task. It takes nothing from the client's own dice.
func (w *world) drawTask(s *startOp, token string, d dice) {
	if !d.chance(0.4) {
		return
	}
	t := &task{heartbeat: []time.Duration{0, 0, runner.MinHeartbeat, 30 * time.Minute}[d.below(4)]}
	s.token = token
	w.tasks[token] = t
	if after := d.between(10*time.Second, 20*time.Minute); d.chance(0.2) {
		w.run(func() {
			if w.rest(after) {
				w.mu.Lock()
				t.gaveUp = t.gaveUp || !t.closed
				t.closed = true
				w.mu.Unlock()
			}
		})
	}
}

// taskRequest is what the start says of the task, nil where there is none.
func (w *world) taskRequest(s *startOp) *runner.TaskRequest {
	if s.token == "" {
		return nil
	}
	return &runner.TaskRequest{Token: s.token, Heartbeat: w.tasks[s.token].heartbeat}
}

// simTasks is Step Functions as one process sees it.
type simTasks struct {
	w *world
	p *process
}

var _ runner.Tasks = simTasks{}

// Succeed implements runner.Tasks.
func (s simTasks) Succeed(ctx context.Context, token string, output json.RawMessage) error {
	return s.tell(ctx, token, string(record.Succeeded)+" "+string(output))
}

// Fail implements runner.Tasks.
func (s simTasks) Fail(ctx context.Context, token, name, cause string) error {
	return s.tell(ctx, token, name+" "+cause)
}

// Beat implements runner.Tasks.
func (s simTasks) Beat(ctx context.Context, token string) error { return s.tell(ctx, token, beats) }

const beats = "beats"

var errNoAnswer = errors.New("sim: no answer of Step Functions")

// tell goes there and back as a message to a queue does, and fails as one.
func (s simTasks) tell(ctx context.Context, token, what string) error {
	w := s.w
	c := w.enter(ctx, s.p, mixString(mixString(11, token), what))
	switch c.sleep(c.latency()) {
	case died:
		return c.hang()
	case ended:
		c.linger()
		return ctx.Err()
	}
	w.mu.Lock()
	if c.crashes(crashBeforeSend) {
		c.crash("before it tells a task")
		w.mu.Unlock()
		return c.hang()
	}
	if w.strikes(queueBusy, &c.dice) {
		w.mu.Unlock()
		return c.answers(errNoAnswer)
	}
	err := c.told(token, what)
	if w.strikes(sentUnknown, &c.dice) {
		err = errNoAnswer
	}
	if c.crashes(crashAfterSend) {
		c.crash("after it has told a task")
	} else {
		c.freezes()
	}
	w.mu.Unlock()
	return c.answers(err)
}

// answers lets what Step Functions says travel back.
func (c *call) answers(err error) error {
	switch c.sleep(c.latency() / 2) {
	case died:
		return c.hang()
	case ended:
		c.linger()
		return c.ctx.Err()
	}
	return err
}

// told is what arrives at a task: an end that is the first run's, and always the
// same. Callers hold mu.
func (c *call) told(token, what string) error {
	w, t := c.w, c.w.tasks[token]
	if t == nil || t.x == nil {
		w.fail("", "the token %q is told %q, but nothing was started with it", token, what)
		return nil
	}
	w.trace.add(w, event{c: c, pk: t.x.pk, op: "tells", note: what})
	if what == beats {
		if t.closed {
			t.x.cancelAsked = true
			w.noteExtra(t.x.pk) // the cancel's message
			return step.ErrTaskOver
		}
		return nil
	}
	switch {
	case t.x.firstEnd == "":
		w.fail(t.x.pk, "its task is told %q before the end", what)
	case t.x.firstEnd != what:
		w.fail(t.x.pk, "its task is told %q, but the first run ended as %q", what, t.x.firstEnd)
	}
	if t.closed {
		return step.ErrTaskOver
	}
	t.told, t.closed = what, true
	return nil
}

// noteFirstEnd keeps how the first run ended, as a task is to be told. Callers
// hold mu.
func (w *world) noteFirstEnd(x *execution, now table.Attrs) {
	m, err := record.DecodeImage(x.pk, now)
	switch {
	case err != nil:
		w.fail(x.pk, "META: %v", err)
	case m.Run != 1:
	case m.Status == record.Succeeded:
		packed := m.Output
		if m.OutputItem {
			packed = w.table.attrs(record.OutputKey(x.pk, 1))["b"].Bytes()
		}
		plain, err := record.Unpack(packed)
		if err != nil {
			w.fail(x.pk, "output: %v", err)
		}
		x.firstEnd = string(m.Status) + " " + string(plain)
	case m.Status == record.Failed:
		x.firstEnd = "Stepline." + m.Error.Category + " " + m.Error.Message
	default:
		x.firstEnd = "Stepline." + string(m.Status) + " " + m.Error.Message
	}
}

// checkTask: a token that is gone does not come back.
func (w *world) checkTask(pk string, old, now table.Attrs) {
	if old != nil && old[record.AtTaskToken].Str() == "" && now[record.AtTaskToken].Str() != "" {
		w.fail(pk, "a token comes back")
	}
}

// untold reports whether an ended execution's task has not been answered.
// Callers hold mu.
func (w *world) untold(x *execution) bool {
	return w.table.attrs(record.TaskKey(x.pk))[record.AtTaskToken].Str() != ""
}

// judgeTasks: every task that still waited has been told how its execution ended.
// Callers hold mu.
func (w *world) judgeTasks() {
	for token, t := range w.tasks {
		if t.x != nil && t.told == "" && !t.gaveUp {
			w.fail(t.x.pk, "the task %s was never told how it ended", token)
			return
		}
	}
}
