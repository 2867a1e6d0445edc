package runner_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// netState is what the destinations do and what has been asked of them.
type netState struct {
	answers map[string][]answer // by step
	calls   []made
}

func newNet() netState { return netState{answers: map[string][]answer{}} }

// made is a call that has reached its destination.
type made struct {
	id, step string
	key      string
	attempt  int
	by       *process
	at       time.Duration
	request  any
}

// answer is what a call comes back with. The zero answer is `{"from":"<step>"}`
// after ten milliseconds.
type answer struct {
	after  time.Duration
	output string
	fails  retry.Category
	says   string     // the failure's message
	then   func(made) // happens when the call has arrived, before the answer
}

// answers scripts what the calls of a step come back with, of all executions
// together: the first call with the first answer and so on, later ones with
// the last.
func (w *world) answers(step string, as ...answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.net.answers[step] = as
}

// calls are those of a step that have reached their destination.
func (w *world) calls(id, step string) []made {
	w.mu.Lock()
	defer w.mu.Unlock()
	var some []made
	for _, c := range w.net.calls {
		if c.id == id && c.step == step {
			some = append(some, c)
		}
	}
	return some
}

// caller is the network as one process sees it.
type caller struct{ p *process }

var _ step.Caller = caller{}

// Call implements step.Caller.
func (c caller) Call(ctx context.Context, sent step.Call) step.Result {
	if ctx.Err() != nil {
		return step.Result{Err: ended(ctx, false)}
	}
	w := c.p.w
	id, name, _ := strings.Cut(sent.Key, "/")
	name, _, _ = strings.Cut(name, "~")
	m := made{id: id, step: name, key: sent.Key, attempt: sent.Attempt, by: c.p, request: sent.Request}
	if err := c.p.travel(); err != nil {
		return step.Result{Err: &step.Error{Category: retry.Network, Message: err.Error()}}
	}
	w.mu.Lock()
	m.at = w.since()
	a := answer{}
	if list := w.net.answers[name]; len(list) > 0 {
		n := 0
		for _, earlier := range w.net.calls {
			if earlier.step == name {
				n++
			}
		}
		a = list[min(n, len(list)-1)]
	}
	w.net.calls = append(w.net.calls, m)
	w.note("%-8s calls %s, attempt %d", c.p.name, sent.Key, sent.Attempt)
	w.mu.Unlock()
	if a.then != nil {
		a.then(m)
	}
	return c.answered(ctx, name, a)
}

// answered brings the answer back, unless the caller has gone or given up.
func (c caller) answered(ctx context.Context, name string, a answer) step.Result {
	if a.after == 0 {
		a.after = 10 * time.Millisecond
	}
	t := time.NewTimer(a.after)
	defer t.Stop()
	var cut *step.Error
	select {
	case <-t.C:
	case <-ctx.Done():
		cut = ended(ctx, true)
	}
	c.p.thaw()
	if c.p.dead() {
		_ = c.p.hang()
	}
	switch {
	case cut != nil:
		return step.Result{Err: cut}
	case a.fails != "":
		return step.Result{Err: &step.Error{Category: a.fails, Code: string(a.fails), Message: cmp.Or(a.says, name+" does not work"), Answered: true}}
	case a.output == "":
		a.output = `{"from":"` + name + `"}`
	}
	return step.Result{Output: json.RawMessage(a.output), Response: &step.Response{Status: 200}}
}

// ended is the error of a call whose context ended, as package step has it.
func ended(ctx context.Context, unclear bool) *step.Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &step.Error{Category: retry.Timeout, Code: "timeout", Message: "no answer in time", Unclear: unclear}
	}
	return &step.Error{Category: retry.Cancelled, Code: "cancelled", Message: "the call was cancelled", Unclear: unclear}
}

// registry finds the documents of the world.
type registry struct{ w *world }

var _ runner.Documents = registry{}

// Live implements runner.Documents.
func (r registry) Live(_ context.Context, _, name string) (int, *workflow.Document, error) {
	if all := r.w.docs[name]; len(all) > 0 {
		return len(all), all[len(all)-1], nil
	}
	return 0, nil, problem.New(problem.NotFound, "no such workflow")
}

// Document implements runner.Documents.
func (r registry) Document(_ context.Context, _, name string, version int) (*workflow.Document, error) {
	if all := r.w.docs[name]; version >= 1 && version <= len(all) {
		return all[version-1], nil
	}
	return nil, problem.New(problem.NotFound, "no such version")
}
