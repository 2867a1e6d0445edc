package runner

import (
	"context"
	"slices"
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

// Ended is an execution as it was when it ended in this process. Nothing in it
// may be changed.
type Ended struct {
	Meta  *record.Meta
	Steps map[string]*record.Step
}

// ends tells waiters in this process that an execution has ended. It
// remembers the latest ends, for the waiter that comes a moment late.
type ends struct {
	mu      sync.Mutex
	waiting map[string][]chan *Ended // of capacity 1
	recent  [256]string
	next    int
}

// tell makes what the waiters are given, if there are any; nil: they read.
func (e *ends) tell(pk string, made func() *Ended) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recent[e.next%len(e.recent)] = pk
	e.next++
	waiting := e.waiting[pk]
	if len(waiting) == 0 {
		return
	}
	delete(e.waiting, pk)
	end := made()
	for _, ch := range waiting {
		ch <- end
	}
}

func unread() *Ended { return nil }

// wait returns a channel that hears when the execution ends, and a function
// that gives up on it. late: it has ended a moment ago, unless it was retried
// since.
func (e *ends) wait(pk string) (ended <-chan *Ended, late bool, stop func()) {
	ch := make(chan *Ended, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.recent {
		late = late || p == pk
	}
	e.waiting[pk] = append(e.waiting[pk], ch)
	return ch, late, func() { e.forget(pk, ch) }
}

func (e *ends) forget(pk string, ch chan *Ended) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := slices.DeleteFunc(e.waiting[pk], func(c chan *Ended) bool { return c == ch })
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

// Await returns once the execution has ended: with its end where that came
// about in this process, with nil where it is to be read. The error is ctx's when
// that comes first, and problem.NotFound when there is no such execution.
func (r *Runner) Await(ctx context.Context, tenant, id string) (*Ended, error) {
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
		case end := <-ended:
			t.Stop()
			return end, nil
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		case <-t.C:
		}
		m, err := r.meta(ctx, pk, wait == 0)
		if m == nil && err == nil && wait != 0 { // a weak read may not know a start that is new
			m, err = r.meta(ctx, pk, true)
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, err
		case m == nil:
			return nil, problem.New(problem.NotFound, "no execution has this id")
		case m.Status.Terminal():
			return nil, nil
		}
	}
}
