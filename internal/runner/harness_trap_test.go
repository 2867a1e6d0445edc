package runner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// op is one write or send on its way, as a trap sees it.
type op struct {
	p     *process
	n     int            // its number among all writes and sends of the world
	kind  string         // see kindOf; "send"; "tell" of a task
	write *table.Write   // of a write
	sent  *queue.Message // of a send
	hint  record.Message // what is sent
}

// kindOf names a write by what the protocol calls it.
func kindOf(wr table.Write) string {
	if _, _, ok := record.SplitPK(wr.Key.PK); !ok {
		switch {
		case strings.Contains(wr.Key.PK, "#k#"):
			return "idem"
		case wr.Key.PK == "~sweep":
			return "cursor"
		}
		return "other"
	}
	if wr.Key.SK != "0" {
		return map[byte]string{'1': "input", 's': "step", 'g': "body", 'o': "output", 'c': "chunk", 'r': "summary", 't': "task"}[wr.Key.SK[0]]
	}
	_, leases := wr.Set[record.AtMessage]
	_, takes := wr.Set[record.AtTakeover]
	_, runs := wr.Set[record.AtRun]
	_, frees := wr.Set[record.AtLease]
	_, ends := wr.Set[record.AtEnded]
	switch {
	case wr.Kind == table.Put:
		return "start"
	case takes:
		return "takeover"
	case leases:
		return "lease"
	case runs:
		return "retry"
	case ends:
		return "finish"
	case frees && wr.Set[record.AtLease].Int() != 0:
		return "renewal"
	case frees:
		return "release"
	case wr.Add[record.AtSignals] != 0:
		return "signal"
	}
	return "due"
}

// point is a place at which something can befall a process.
type point struct {
	name string
	is   func(*op) bool
}

// at is every write of a kind.
func at(kind string) point {
	return point{kind, func(o *op) bool { return o.kind == kind }}
}

// checkpoint is every write of a step's record.
func checkpoint(step string) point {
	return point{"the checkpoint of " + step, func(o *op) bool {
		return o.kind == "step" && strings.HasSuffix(o.write.Key.SK, "#"+step)
	}}
}

// sending is every send of a message about this.
func sending(why record.Why) point {
	return point{"the sending of a " + string(why), func(o *op) bool { return o.kind == "send" && o.hint.Why == why }}
}

// effect is the world's n-th write or send, counted from 1.
func effect(n int) point {
	return point{fmt.Sprintf("write or send %d", n), func(o *op) bool { return o.n == n }}
}

// fault is what befalls a process at a point. apply makes the write or the
// send; a fault may leave it out, or do more around it.
type fault func(o *op, apply func() error) error

// The faults. What they are called is what happens.
var (
	diesBefore fault = func(o *op, _ func() error) error { return o.p.dies("before " + o.kind) }
	diesAfter  fault = func(o *op, apply func() error) error {
		_ = apply()
		return o.p.dies("after " + o.kind)
	}
	replyLost fault = func(o *op, apply func() error) error {
		if err := apply(); err != nil {
			return err
		}
		return o.unknown()
	}
	neverArrives fault = func(o *op, _ func() error) error { return o.unknown() }
	sentTwice    fault = func(_ *op, apply func() error) error {
		_ = apply()
		return apply()
	}
	isLost fault = func(*op, func() error) error { return nil } // of a message: nobody will know
)

// unknown is the answer that a reply was lost.
func (o *op) unknown() error {
	if o.sent != nil {
		return queue.ErrUnknown
	}
	return table.ErrUnknown
}

// freezes stops the process for d with its request on its way already: it
// arrives when the process thaws.
func freezes(d time.Duration) fault {
	return func(o *op, apply func() error) error {
		o.p.freeze(d)
		o.p.thaw()
		return apply()
	}
}

// meanwhile lets something else happen while the request is on its way.
func meanwhile(f func()) fault {
	return func(_ *op, apply func() error) error {
		f()
		return apply()
	}
}

// thereupon lets something else happen before the answer arrives.
func thereupon(f func()) fault {
	return func(_ *op, apply func() error) error {
		err := apply()
		f()
		return err
	}
}

// trap waits for a process to come to a point.
type trap struct {
	w        *world
	name     string
	p        *process // nil: whoever comes
	at       point
	do       fault
	skip     int // so many may pass first
	times    int // then it springs so often
	hits     int // so often it has sprung
	optional bool
}

// when lets a fault befall a process (nil: any) the next time that it comes to
// a point. A test in which that never happens fails.
func (w *world) when(p *process, at point, do fault) *trap {
	name := at.name
	if p != nil {
		name = p.name + "'s " + name
	}
	tr := &trap{w: w, name: name, p: p, at: at, do: do, times: 1}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.traps = append(w.traps, tr)
	return tr
}

// after lets so many pass first.
func (tr *trap) after(n int) *trap { tr.skip = n; return tr }

// often springs the trap each time, also never.
func (tr *trap) often() *trap { tr.times, tr.optional = 1<<30, true; return tr }

// sprung is how often it has.
func (tr *trap) sprung() int {
	tr.w.mu.Lock()
	defer tr.w.mu.Unlock()
	return tr.hits
}

// caught finds the trap that an operation falls into, nil for none.
func (w *world) caught(o *op) *trap {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.effects++
	o.n = w.effects
	for _, tr := range w.traps {
		if tr.hits >= tr.times || tr.p != nil && tr.p != o.p || !tr.at.is(o) {
			continue
		}
		if tr.skip > 0 {
			tr.skip--
			continue
		}
		tr.hits++
		w.note("%-8s comes to %s", o.p.name, tr.name)
		return tr
	}
	return nil
}

// errOver is what the calls of the dead answer when the test is over.
var errOver = errors.New("harness: the test is over")

// effect takes a write or a send there and back. A context that ends takes
// away the answer, never the effect: the worst that a network can do.
func (p *process) effect(_ context.Context, o *op, apply func() error) error {
	o.p = p
	if err := p.travel(); err != nil {
		return err
	}
	do := func(_ *op, apply func() error) error { return apply() }
	if tr := p.w.caught(o); tr != nil {
		do = tr.do
	}
	err := do(o, func() error {
		if p.dead() {
			return p.hang()
		}
		return apply()
	})
	if err := p.travel(); err != nil {
		return err
	}
	return err
}

// look takes a read there and back.
func (p *process) look(ctx context.Context) error {
	if err := p.travel(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return p.travel()
}
