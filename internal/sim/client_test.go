package sim

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// startOp is one start a client wants, with all its repetitions.
type startOp struct {
	plan  *plan
	input int
	key   string
	delay time.Duration
	lane  queue.Lane
	token string // of a task of Step Functions; "": none waits
	ids   map[string]bool
}

func (s *startOp) request(w *world) runner.StartRequest {
	input := fmt.Appendf(nil, `{"n":%d}`, s.input)
	if s.plan.big {
		input = fmt.Appendf(nil, `{"n":%d,"pad":%q}`, s.input, padding("input"))
	}
	return runner.StartRequest{
		Tenant: tenant, Workflow: s.plan.name, Input: input, Priority: s.lane, Delay: s.delay, Key: s.key, Body: sha256.Sum256(input),
		Task: w.taskRequest(s),
	}
}

// answerKind is what a client makes of an answer.
type answerKind int

const (
	done    answerKind = iota
	refused            // for good: a conflict, not found
	nothing            // no answer, or one that says to try again
)

// ask makes one API request and waits for its answer.
func (w *world) ask(kind string, s *startOp, f func(context.Context, *runner.Runner) error) (answerKind, error) {
	var err error
	w.mu.Lock()
	d := w.dice("ask "+kind, 0)
	h := w.room(&d, func(h *host) bool { return h.api })
	if h == nil || w.over() {
		w.mu.Unlock()
		return nothing, nil
	}
	var inv *invocation
	ready := make(chan struct{})
	inv = w.invoke(h, kind, "", 29*time.Second, func(ctx context.Context, r *runner.Runner) {
		<-ready
		err = f(ctx, r)
	})
	inv.start = s
	close(ready)
	w.mu.Unlock()
	select {
	case <-inv.done:
	case <-inv.proc.gone:
		return nothing, nil
	case <-w.stop:
		return nothing, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case inv.proc.dead:
		return nothing, nil
	case err == nil:
		return done, nil
	}
	switch problem.CodeOf(err) {
	case problem.NotFound, problem.Conflict, problem.Invalid, problem.KeyReused:
		return refused, err
	}
	return nothing, err
}

// insist repeats a request until it has an answer; ok is false when the world
// stopped or the client has lost patience first.
func (w *world) insist(tries int, kind string, f func(context.Context, *runner.Runner) error) (answerKind, error) {
	for try := range tries {
		how, err := w.ask(kind, nil, f)
		if how != nothing {
			return how, err
		}
		d := w.dice("again "+kind, uint64(try))
		if !w.rest(d.between(500*time.Millisecond, 8*time.Second)) {
			break
		}
	}
	return nothing, nil
}

// script runs a client's script; the world ends only after all of them.
// Callers hold mu or are alone.
func (w *world) script(f func()) {
	w.scripts++
	w.run(func() {
		f()
		w.mu.Lock()
		w.scripts--
		w.mu.Unlock()
	})
}

// start asks once, and notes what was promised.
func (w *world) start1(s *startOp) (*execution, answerKind) {
	var got runner.Started
	how, err := w.ask("start", s, func(ctx context.Context, r *runner.Runner) (err error) {
		got, err = r.Start(ctx, s.request(w))
		return err
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if how == refused {
		w.fail("", "start of %s is refused: %v", s.plan.name, err)
	}
	if how != done {
		return nil, how
	}
	pk := record.PK(tenant, got.ID)
	x := w.executions[pk]
	if x == nil {
		w.fail(pk, "start is answered with %s, which does not exist", got.ID)
		return nil, how
	}
	x.acked = true
	s.ids[got.ID] = true
	if s.key != "" && len(s.ids) > 1 {
		w.fail(pk, "one key is answered with %d executions", len(s.ids))
	}
	w.trace.add(w, event{op: "start is answered", pk: pk, note: fmt.Sprintf("replayed %v", got.Replayed)})
	return x, how
}

// startAll makes a start happen the way its client does: some ask many times
// at once, some die of impatience, some come back much later.
func (w *world) startAll(s *startOp, d dice) *execution {
	if s.key == "" {
		x, _ := w.start1(s) // without a key a second try could be a second execution
		return x
	}
	if w.rates[replayed] > 0 && d.chance(0.5) {
		w.mu.Lock()
		w.fired[replayed]++
		for range 1 + d.below(3) {
			after := d.between(0, 30*time.Millisecond)
			if d.chance(0.4) {
				after = d.between(8*time.Second, 10*time.Minute)
			}
			w.script(func() {
				if w.rest(after) {
					w.start1(s)
				}
			})
		}
		w.mu.Unlock()
	}
	for try := range 60 {
		if x, how := w.start1(s); how == done {
			return x
		}
		e := w.dice("restart "+s.key, uint64(try))
		if !w.rest(e.between(200*time.Millisecond, 20*time.Second)) {
			break
		}
	}
	return nil
}

// cancel asks for a cancel and notes its answer.
func (w *world) cancelExecution(x *execution) {
	w.mu.Lock()
	x.cancelAsked = true
	run := x.retries
	w.mu.Unlock()
	how, err := w.insist(20, "cancel", func(ctx context.Context, r *runner.Runner) error { return r.Cancel(ctx, tenant, x.id) })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered(x, "cancel", how, err)
	if how == done && run == x.retries {
		x.cancelled = w.since()
		if st := x.lastStatus(w.table.attrs(metaKey(x.pk))); st == record.Succeeded {
			w.fail(x.pk, "a cancel is answered with yes, but it has succeeded")
		}
	}
}

func (w *world) answered(x *execution, what string, how answerKind, err error) {
	w.trace.add(w, event{op: what + " is answered", pk: x.pk, note: fmt.Sprint(how, " ", err)})
}

// pauseExecution pauses, and resumes a while later.
func (w *world) pauseExecution(x *execution, span time.Duration) {
	how, err := w.insist(20, "pause", func(ctx context.Context, r *runner.Runner) error { return r.Pause(ctx, tenant, x.id) })
	w.mu.Lock()
	w.answered(x, "pause", how, err)
	if m := w.table.attrs(metaKey(x.pk)); how == done && (m[record.AtPause].Int() != 0 || x.lastStatus(m) == record.Paused) {
		x.paused = w.since()
	}
	w.mu.Unlock()
	if how == done && w.rest(span) {
		w.resumeExecution(x, runner.Decision{})
	}
}

func (w *world) resumeExecution(x *execution, d runner.Decision) {
	w.mu.Lock()
	x.paused = -1
	if d.As == runner.Again {
		w.site(x.pk, d.Step).decided++
	}
	if d.Step != "" {
		x.decisions[d.Step]++
	}
	w.mu.Unlock()
	how, err := w.insist(20, "resume", func(ctx context.Context, r *runner.Runner) error { return r.Resume(ctx, tenant, x.id, d) })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered(x, "resume "+d.Step+" "+d.As, how, err)
}

// retryExecution asks for another run, sometimes from two places at nearly the
// same time: at the very same instant the scheduler would choose who is first.
func (w *world) retryExecution(x *execution, d dice) {
	from := []string{runner.FromFailed, runner.FromStart, x.plan.steps[d.below(len(x.plan.steps))].id}
	for i := range d.pick(1, 1, 2) {
		q := runner.RetryRequest{From: from[(d.below(3)+i)%3]}
		after := time.Duration(i) * d.between(time.Microsecond, 20*time.Millisecond)
		w.mu.Lock()
		w.script(func() {
			if after > 0 && !w.rest(after) {
				return
			}
			how, err := w.insist(10, "retry", func(ctx context.Context, r *runner.Runner) error { return r.Retry(ctx, tenant, x.id, q) })
			w.mu.Lock()
			w.answered(x, "retry from "+q.From, how, err)
			w.mu.Unlock()
		})
		w.mu.Unlock()
	}
}

// answerCallback sends what a destination answers to a callback step.
func (w *world) answerCallback(x *execution, s *planned, run int, token string, value int) {
	body := json.RawMessage(fmt.Sprintf(`{"v":%d}`, value))
	how, err := w.insist(40, "callback", func(ctx context.Context, r *runner.Runner) error { return r.Callback(ctx, token, body) })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered(x, "callback of "+s.id, how, err)
	k := runStep(run, s.id)
	if _, before := x.delivered[k]; how == done && !before {
		x.delivered[k] = w.since()
	}
}
