package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/step"
)

// taskState is what the tasks of Step Functions have been told.
type taskState struct {
	told      []told
	closed    map[string]bool // by token
	downUntil time.Time       // Step Functions answers nothing before
}

// told is one thing that a task was told, whether it still waited or not.
type told struct {
	token, what string // what is "succeeded …", "failed …" or "beats"
	by          *process
	at          time.Duration
}

// teller is Step Functions as one process sees it.
type teller struct{ p *process }

var _ runner.Tasks = teller{}

// Succeed implements runner.Tasks.
func (t teller) Succeed(ctx context.Context, token string, output json.RawMessage) error {
	return t.tell(ctx, token, "succeeded "+string(output), true)
}

// Fail implements runner.Tasks.
func (t teller) Fail(ctx context.Context, token, name, cause string) error {
	return t.tell(ctx, token, "failed "+name+": "+cause, true)
}

// Beat implements runner.Tasks.
func (t teller) Beat(ctx context.Context, token string) error {
	return t.tell(ctx, token, "beats", false)
}

func (t teller) tell(ctx context.Context, token, what string, ends bool) error {
	w := t.p.w
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return t.p.effect(ctx, &op{kind: "tell"}, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if time.Now().Before(w.tasks.downUntil) {
			return errors.New("harness: no answer of Step Functions")
		}
		w.note("%-8s tells a task: %s", t.p.name, what)
		w.tasks.told = append(w.tasks.told, told{token, what, t.p, w.since()})
		if w.tasks.closed[token] {
			return step.ErrTaskOver
		}
		if ends {
			w.closes(token)
		}
		return nil
	})
}

// closes ends the waiting for a token. Callers hold mu.
func (w *world) closes(token string) {
	if w.tasks.closed == nil {
		w.tasks.closed = map[string]bool{}
	}
	w.tasks.closed[token] = true
}

// givesUp ends a task from the side of its state machine.
func (w *world) givesUp(token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closes(token)
}

// silences keeps Step Functions from answering for d.
func (w *world) silences(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks.downUntil = time.Now().Add(d)
}

// told is what a task was told, its signs of life or its ends.
func (w *world) told(token string, beats bool) (all []told) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.tasks.told {
		if t.token == token && (t.what == "beats") == beats {
			all = append(all, t)
		}
	}
	return all
}

// answered waits until a task has been told its end and demands that it is this
// one, however often it is told.
func (w *world) answered(token string, within time.Duration, want string) {
	w.t.Helper()
	w.until("the task is told", within, func() bool { return len(w.told(token, false)) > 0 })
	for _, t := range w.told(token, false) {
		if t.what != want {
			w.t.Errorf("the task is told %q by %s, want %q", t.what, t.by.name, want)
		}
	}
}

// taskToken is the token in an execution's TASK, "" where it is done with.
func (w *world) taskToken(id string) string {
	return w.item(record.TaskKey(record.PK(tenant, id)))[record.AtTaskToken].Str()
}
