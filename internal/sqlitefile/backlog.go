package sqlitefile

import (
	"slices"
	"sync"
	"time"
)

const (
	// MaxLot is how many operations share a commit at most.
	MaxLot = 256
	// lateness is how long an operation of Later waits for a commit that
	// somebody needs, before it gets one of its own.
	lateness = 20 * time.Millisecond
	// again is the pause before operations of Later are tried again after
	// their commit failed.
	again = time.Second
)

// request is one operation in the backlog.
type request struct {
	op    func(*Tx) error
	after []func()      // when committed
	err   error         // its answer
	done  chan struct{} // nil for Later
}

// backlog is what waits for the writer, first in first out.
type backlog struct {
	mu      sync.Mutex
	waiting []*request
	urgent  int // requests in waiting that somebody waits for
	flush   bool
	chores  []func() // run by the writer between lots
	closed  bool
	timer   *time.Timer   // running while only Later's operations wait
	wake    chan struct{} // capacity 1
}

func (b *backlog) init() { b.wake = make(chan struct{}, 1) }

func (b *backlog) signal() {
	select {
	case b.wake <- struct{}{}:
	default: // a signal is pending already
	}
}

// add appends a request; false when the backlog is closed.
func (b *backlog) add(r *request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.waiting = append(b.waiting, r)
	switch {
	case r.done != nil:
		b.urgent++
		b.signal()
	case len(b.waiting) >= MaxLot:
		b.flush = true
		b.signal()
	default:
		b.flushIn(lateness)
	}
	return true
}

// flushIn starts the clock for Later's operations. The lock is held.
func (b *backlog) flushIn(d time.Duration) {
	if b.timer != nil {
		return
	}
	b.timer = time.AfterFunc(d, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.timer = nil
		if len(b.waiting) > 0 {
			b.flush = true
			b.signal()
		}
	})
}

// withdraw takes a request back that the writer has not taken yet.
func (b *backlog) withdraw(r *request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, w := range b.waiting {
		if w == r {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.urgent--
			return true
		}
	}
	return false
}

// chore has the writer do something between two lots.
func (b *backlog) chore(fn func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.chores = append(b.chores, fn)
		b.signal()
	}
}

// take is the next lot, nil when there is none to do now, and the chores.
func (b *backlog) take() (lot []*request, chores []func(), ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	chores, b.chores = b.chores, nil
	if len(b.waiting) > 0 && (b.urgent > 0 || b.flush || b.closed) {
		n := min(len(b.waiting), MaxLot)
		if b.urgent > 0 { // whoever waits gets an answer, whatever of Later's stands before him
			n = max(n, 1+slices.IndexFunc(b.waiting, func(r *request) bool { return r.done != nil }))
		}
		lot = append(lot, b.waiting[:n]...)
		rest := copy(b.waiting, b.waiting[n:])
		clear(b.waiting[rest:])
		b.waiting = b.waiting[:rest]
		for _, r := range lot {
			if r.done != nil {
				b.urgent--
			}
		}
		b.flush = b.flush && rest > 0
	}
	return lot, chores, b.closed && len(lot) == 0
}

// back returns Later's operations of a failed lot to the front, to be tried
// again. A closed backlog drops them: what they say is only a hint.
func (b *backlog) back(rs []*request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(rs) == 0 {
		return
	}
	b.waiting = append(rs, b.waiting...)
	b.flush = false // the clock alone tries them again
	b.flushIn(again)
}

func (b *backlog) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	b.signal()
}
