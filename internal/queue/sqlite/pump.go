package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// PumpConfig says how a lane is fed to its handler.
type PumpConfig struct {
	// Batch is the most deliveries of one invocation, 1 to 10; 0 is 1.
	Batch int
	// Window is how long an invocation waits for a full batch; 0: not at all.
	Window time.Duration
	// Concurrency is the most deliveries in hand at once, over all
	// invocations; 0 is 64.
	Concurrency int
	// Slots bound the deliveries in hand of several pumps together; nil: only
	// Concurrency does.
	Slots *Slots
	// Timeout is the deadline of one invocation's context; 0: none.
	Timeout time.Duration
	// Drain is how long after Run's context has ended the handlers' contexts
	// go on; 0: as long as they take.
	Drain time.Duration
	// OnPanic hears of a handler's panic, after which all of the batch that was
	// not reported as done counts as failed; nil: nobody does.
	OnPanic func(value any, stack []byte)
}

// Pump feeds one handler from one lane.
type Pump struct {
	queue  *Queue
	lane   *lane
	config PumpConfig

	// Guarded by the queue's lock.
	run     *run // nil: not running
	free    int  // deliveries it may still take
	window  *time.Timer
	full    bool // the window is over: take what there is
	waiting bool // for a slot
}

// run is one call of Run.
type run struct {
	handler queue.Handler
	ctx     context.Context // of the handlers
	busy    sync.WaitGroup
}

var _ queue.Pump = (*Pump)(nil)

// Pump makes the pump of a lane. It panics for a lane that is not configured or
// a batch beyond queue.MaxBatch: both are mistakes of the program.
func (q *Queue) Pump(name queue.Lane, c PumpConfig) *Pump {
	c.Batch, c.Concurrency = cmp.Or(c.Batch, 1), cmp.Or(c.Concurrency, 64)
	l := q.lanes[name]
	if l == nil || c.Batch < 1 || c.Batch > queue.MaxBatch || c.Concurrency < 1 {
		panic(fmt.Sprintf("queue: pump of lane %q with batch %d and concurrency %d", name, c.Batch, c.Concurrency))
	}
	return &Pump{queue: q, lane: l, config: c, free: c.Concurrency}
}

// Run implements queue.Pump. It returns nil once its context has ended and the
// batches in hand are done.
func (p *Pump) Run(ctx context.Context, h queue.Handler) error {
	// Handlers outlive ctx: what they have begun they finish, for Drain.
	hctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r := &run{handler: h, ctx: hctx}
	if !p.begin(r) {
		return errors.New("queue: the pump runs already")
	}
	<-ctx.Done()
	p.end()
	if p.config.Drain > 0 {
		defer time.AfterFunc(p.config.Drain, cancel).Stop()
	}
	r.busy.Wait()
	return nil
}

func (p *Pump) begin(r *run) bool {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	if p.run != nil {
		return false
	}
	p.run = r
	p.lane.pumps = append(p.lane.pumps, p)
	p.queue.ready[p.lane] = true
	p.queue.look()
	return true
}

func (p *Pump) end() {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	p.run = nil
	p.lane.pumps = slices.DeleteFunc(p.lane.pumps, func(o *Pump) bool { return o == p })
	p.stopWindow()
}

// feed starts invocations for what is visible. The lock is held.
func (p *Pump) feed() {
	for p.run != nil && p.free > 0 {
		ready := p.lane.visible.len()
		if ready == 0 {
			return
		}
		n := min(ready, p.config.Batch, p.free, p.config.Slots.left(p))
		if n == 0 {
			return
		}
		if n < p.config.Batch && n == ready && p.config.Window > 0 && !p.full {
			p.startWindow()
			return
		}
		p.stopWindow()
		p.free -= n
		p.config.Slots.take(n)
		p.run.busy.Add(1)
		go p.invoke(p.run, p.lane.take(n))
	}
}

func (p *Pump) startWindow() {
	if p.window != nil {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(p.config.Window, func() {
		p.queue.mu.Lock()
		defer p.queue.mu.Unlock()
		if p.window == t { // else it was stopped in this very moment
			p.full = true
			p.feed()
			p.stopWindow() // another pump may have taken them
			p.queue.ready[p.lane] = true
			p.queue.look()
		}
	})
	p.window = t
}

func (p *Pump) stopWindow() {
	if p.window != nil {
		p.window.Stop()
		p.window = nil
	}
	p.full = false
}
