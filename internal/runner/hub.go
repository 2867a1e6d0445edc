package runner

import (
	"context"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// live knows the executions this process holds, so that a signal given in the
// same process is seen at once instead of at the next look.
type live struct {
	mu   sync.Mutex
	runs map[string]*run
}

func (l *live) add(x *run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[x.pk] = x
}

func (l *live) remove(x *run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runs[x.pk] == x {
		delete(l.runs, x.pk)
	}
}

func (l *live) poke(pk string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.runs[pk]; x != nil {
		select {
		case x.poked <- struct{}{}:
		default: // a look is asked for already
		}
	}
}

// ends tells waiters in this process that an execution has ended. It
// remembers the latest ends, for the waiter that comes a moment late.
type ends struct {
	mu      sync.Mutex
	waiting map[string][]chan struct{}
	recent  [256]end
	next    int
}

// end is an execution that has ended here. Of one that somebody waits for it
// keeps the steps, since the waiter is about to ask for them.
type end struct {
	pk    string
	run   int
	epoch int64
	steps map[string]*record.Step // nil: read them
}

// tell is given the steps, where they are known, for the case that somebody
// waits.
func (e *ends) tell(ended end, steps func() map[string]*record.Step) {
	e.mu.Lock()
	defer e.mu.Unlock()
	pk := ended.pk
	if steps != nil && len(e.waiting[pk]) > 0 {
		ended.steps = steps()
	}
	e.recent[e.next%len(e.recent)] = ended
	e.next++
	for _, ch := range e.waiting[pk] {
		close(ch)
	}
	delete(e.waiting, pk)
}

// stepsOf are the steps of a run that has just ended, nil where they must be
// read. The caller must not change them.
func (e *ends) stepsOf(m *record.Meta) map[string]*record.Step {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.recent {
		if r := &e.recent[i]; r.pk == m.PK && r.epoch == m.Epoch && r.run == m.Run {
			return r.steps
		}
	}
	return nil
}

// wait returns a channel that closes when the execution ends, and a function
// that gives up on it. late: it has ended a moment ago, unless it was retried
// since.
func (e *ends) wait(pk string) (ended <-chan struct{}, late bool, stop func()) {
	ch := make(chan struct{})
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.recent {
		late = late || e.recent[i].pk == pk
	}
	e.waiting[pk] = append(e.waiting[pk], ch)
	return ch, late, func() { e.forget(pk, ch) }
}

func (e *ends) forget(pk string, ch chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.waiting[pk]
	for i, c := range list {
		if c == ch {
			list = append(list[:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(e.waiting, pk)
		return
	}
	e.waiting[pk] = list
}

// How often Await looks for an end that came about in another process.
const (
	awaitFirst = 100 * time.Millisecond
	awaitMost  = time.Second
)

// Await returns nil once the execution has ended, ctx's error when that comes
// first, and problem.NotFound when there is no such execution.
func (r *Runner) Await(ctx context.Context, tenant, id string) error {
	pk := record.PK(tenant, id)
	ended, late, stop := r.ends.wait(pk)
	defer stop()
	wait := awaitFirst
	if late {
		wait = 0
	}
	for ; ; wait = min(max(2*wait, awaitFirst), awaitMost) {
		t := time.NewTimer(wait)
		select {
		case <-ended:
			t.Stop()
			return nil
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
		m, err := r.meta(ctx, pk, wait == 0)
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		case m == nil:
			return problem.New(problem.NotFound, "no execution has this id")
		case m.Status.Terminal():
			return nil
		}
	}
}
