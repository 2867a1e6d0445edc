package sim

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// world is everything one seed decides. mu guards all of it but what is set
// once; nobody sleeps while holding it.
type world struct {
	t    *testing.T
	seed uint64
	mode mode

	mu    sync.Mutex
	start time.Time
	calm  bool // the faults are over
	rates rates
	fired [faults]int

	root   context.Context // of every invocation; ends with the world
	cancel context.CancelFunc
	stop   chan struct{} // closed by the first failure, or when all is over
	end    chan struct{} // closed when what is left may return
	wg     sync.WaitGroup

	table tableState
	queue queueState
	net   netState
	trace trace

	hosts       []*host
	invocations int
	wake        chan struct{} // tells the dispatcher that something changed
	maxStale    time.Duration // of weak reads
	downFrom    time.Duration // nothing that works can start in this span
	downTo      time.Duration
	poison      string // workflow whose first call kills its process

	mustBePrompt bool // no fault of this world excuses a late recovery

	plans      map[string]*plan
	docs       map[string]*workflow.Document
	executions map[string]*execution // by pk
	tasks      map[string]*task      // by token
	order      []*execution
	scripts    int // client scripts under way
	lastEvent  time.Duration
	failed     *failure
	recoveries []time.Duration
}

// failure is the first promise that did not hold.
type failure struct {
	pk   string
	text string
}

// since is the virtual time since the world began.
func (w *world) since() time.Duration { return time.Since(w.start) }

// fail records a broken promise and ends the world. Callers hold mu.
func (w *world) fail(pk, format string, args ...any) {
	if w.failed != nil {
		return
	}
	w.failed = &failure{pk, fmt.Sprintf(format, args...)}
	close(w.stop)
}

// over reports whether the world has stopped.
func (w *world) over() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// slot is the grid of instants: within one, everybody wakes at a time of his own.
const slot = 1 << 16 * time.Nanosecond

// claim makes d end, a little later, at an instant at which nobody else is
// likely to wake: what happens at one instant happens in the scheduler's order.
// It is a function of the seed, the time and who asks, and of nothing else, for
// those who ask at one instant do so in any order and any number of times.
func (w *world) claim(d time.Duration, who uint64) time.Duration {
	now := w.since()
	own := time.Duration(mix(mix(w.seed, uint64(now)), mix(who, uint64(d))) % uint64(slot))
	return (now + max(d, 1)).Truncate(slot) + slot + own - now
}

// until is claim for a time that is known already, whenever one asks.
func (w *world) until(at time.Duration, who uint64) time.Duration {
	own := time.Duration(mix(mix(w.seed, uint64(at)), who) % uint64(slot))
	return at.Truncate(slot) + slot + own - w.since()
}

// rest lets d pass unless the world stops first, and reports whether it goes on.
func (w *world) rest(d time.Duration) bool {
	t := time.NewTimer(w.claim(d, 0))
	defer t.Stop()
	select {
	case <-t.C:
		return !w.over()
	case <-w.stop:
		return false
	}
}

// dice makes the stream of one decision about something that happens now.
func (w *world) dice(what string, salt uint64) dice {
	return dice(mix(mixString(mix(w.seed, uint64(w.since())), what), salt))
}

// poke tells the dispatcher that something changed.
func (w *world) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run starts a goroutine of the world itself.
func (w *world) run(f func()) { w.wg.Go(f) }
