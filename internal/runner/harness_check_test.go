package runner_test

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// ends waits for an execution's end.
func (w *world) ends(id string, within time.Duration) *record.Meta {
	w.t.Helper()
	w.until(id+" ends", within, func() bool { return w.status(id).Terminal() })
	return w.meta(id)
}

// succeeds waits for an execution's end and demands this output of it.
func (w *world) succeeds(id string, within time.Duration, output string) {
	w.t.Helper()
	m := w.ends(id, within)
	if m.Status != record.Succeeded {
		w.t.Fatalf("%s is %s (%v), want succeeded", id, m.Status, m.Error)
	}
	var got json.RawMessage
	if err := w.process("reader").ask(func(ctx context.Context, r *runner.Runner) (err error) {
		got, err = r.Output(ctx, m)
		return err
	}); err != nil {
		w.t.Fatalf("output: %v", err)
	}
	w.sameJSON("output of "+id, string(got), output)
}

// sameJSON demands that two texts are the same JSON; "" is null.
func (w *world) sameJSON(what, got, want string) {
	w.t.Helper()
	var g, v any
	for _, p := range []struct {
		text string
		into *any
	}{{got, &g}, {want, &v}} {
		if p.text == "" {
			p.text = "null"
		}
		if err := json.Unmarshal([]byte(p.text), p.into); err != nil {
			w.t.Fatalf("%s: %q is not JSON: %v", what, p.text, err)
		}
	}
	if !reflect.DeepEqual(g, v) {
		w.t.Fatalf("%s is %s, want %s", what, got, want)
	}
}

// called demands how often a step was called.
func (w *world) called(id, step string, times int) {
	w.t.Helper()
	if got := len(w.calls(id, step)); got != times {
		w.t.Errorf("%s/%s was called %d times, want %d", id, step, got, times)
	}
}

// silent waits until no message of an execution is left.
func (w *world) silent(id string, within time.Duration) {
	w.t.Helper()
	w.until("no message of "+id+" is left", within, func() bool { return len(w.messages(id)) == 0 })
}

// step is a step's record in the present run, nil for none.
func (w *world) step(id, step string) *record.Step {
	w.t.Helper()
	m := w.meta(id)
	return w.stepOf(id, m.Run, step)
}

// stepOf is a step's record in a run.
func (w *world) stepOf(id string, run int, step string) *record.Step {
	w.t.Helper()
	m := *w.meta(id)
	if m.Run != run {
		m.Run, m.Last = run, nil
	}
	var recs map[string]*record.Step
	if err := w.process("reader").ask(func(ctx context.Context, r *runner.Runner) (err error) {
		recs, err = r.Steps(ctx, &m)
		return err
	}); err != nil {
		w.t.Fatalf("steps of %s: %v", id, err)
	}
	return recs[step]
}

// path are the changes of an execution's status, run and epoch.
func (w *world) path(id string) []moment {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]moment(nil), w.states[record.PK(tenant, id)]...)
}

// deadLetters is how often an execution has become a dead letter.
func (w *world) deadLetters(id string) (n int) {
	before := false
	for _, m := range w.path(id) {
		if m.dead && !before {
			n++
		}
		before = m.dead
	}
	return n
}

// peak is the largest number of messages an execution has had at a time.
func (w *world) peak(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queue.peak[record.PK(tenant, id)]
}

// buried is how many messages of an execution went to the dead lane.
func (w *world) buried(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queue.buried[record.PK(tenant, id)]
}

// recorded lists the steps that have a record in a run, in order.
func (w *world) recorded(id string, run int) (steps []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k := range w.table {
		if name, ours := strings.CutPrefix(k.SK, record.StepPrefix(run)); ours && k.PK == record.PK(tenant, id) {
			steps = append(steps, name)
		}
	}
	slices.Sort(steps)
	return steps
}
