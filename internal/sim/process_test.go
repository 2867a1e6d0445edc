package sim

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// mode is how processes and invocations belong together.
type mode int

const (
	lambda   mode = iota // one invocation per process, killed at its deadline
	fleet                // a few processes that do everything
	embedded             // one process, which knows that the leases of all others are void
)

// host is a place where a process runs; when it dies the next one starts here.
type host struct {
	name   string
	lanes  map[queue.Lane]bool
	api    bool
	sweep  bool
	size   int // invocations at once
	active int
	starts int
	proc   *process // nil while the next one starts
}

// process is one Runner with a clock of its own.
type process struct {
	name   string
	host   *host
	salt   uint64
	skew   time.Duration
	runner *runner.Runner
	gone   chan struct{} // closed when it dies
	dead   bool
	thaw   time.Duration // frozen until then

	invocations []*invocation
}

// invocation is one call of the runner from outside.
type invocation struct {
	id       int
	proc     *process
	kind     string // work, dead, sweep, or the name of an API request
	lane     queue.Lane
	deadline time.Duration
	done     chan struct{} // closed when it has returned
	returned bool
	trouble  int // writes and sends that did not go as they should
	late     int // port calls with an ended context
	extended bool
	leases   map[string]*lease // by pk
	start    *startOp          // what a start asks for
	hands    []string          // pks of the messages in hand
	reported map[string]bool   // ids of messages that are done or have failed
	replaced map[string]int    // by pk: messages sent while some of its are in hand
	unnoted  map[string]bool   // pks a sweep has sent for and not yet put off
}

type invocationKey struct{}

func invocationOf(ctx context.Context) *invocation {
	inv, _ := ctx.Value(invocationKey{}).(*invocation)
	return inv
}

func lanes(ls ...queue.Lane) map[queue.Lane]bool {
	m := map[queue.Lane]bool{}
	for _, l := range ls {
		m[l] = true
	}
	return m
}

// build sets the hosts up.
func (w *world) build(d *dice) {
	shared := []queue.Lane{queue.High, queue.Normal, queue.Low}
	all := lanes(append(shared, queue.Solo, queue.Dead)...)
	add := func(kind string, n int, h host) {
		for i := range n {
			c := h
			c.name = fmt.Sprintf("%s%d", kind, i+1)
			w.hosts = append(w.hosts, &c)
		}
	}
	switch w.mode {
	case lambda:
		n := 2 + d.below(4)
		if w.rates.allPrompt() {
			n = 10 // nobody waits for a free worker
		}
		add("work", n, host{lanes: lanes(shared...), size: 1})
		add("solo", max(3, n), host{lanes: lanes(queue.Solo), size: 1})
		add("dead", 1, host{lanes: lanes(queue.Dead), size: 1})
		add("api", 2, host{api: true, size: 50})
		add("sweep", 2, host{sweep: true, size: 1})
	case fleet:
		add("node", 2+d.below(2), host{lanes: all, api: true, sweep: true, size: 12})
	case embedded:
		add("one", 1, host{lanes: all, api: true, sweep: true, size: 40})
	}
	for _, h := range w.hosts {
		w.boot(h)
	}
}

// boot starts the next process on a host. Callers hold mu or are alone.
func (w *world) boot(h *host) {
	h.starts++
	h.active = 0
	p := &process{name: fmt.Sprintf("%s-%d", h.name, h.starts), host: h, gone: make(chan struct{})}
	p.salt = mixString(w.seed, p.name)
	d := dice(mix(p.salt, 1))
	if w.rates[skewed] > 0 && w.mode != embedded {
		p.skew = d.between(-2*time.Second, 2*time.Second).Truncate(time.Millisecond)
		w.fired[skewed]++
	}
	cfg := runner.Config{
		Table: simTable{w, p}, Queue: simQueue{w, p}, Docs: simDocs{w}, HTTP: simCaller{w, p}, Tasks: simTasks{w, p},
		Now:    func() time.Time { return time.Now().Add(p.skew) },
		Random: &source{w: w, salt: p.salt}, Incarnation: p.name,
		Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}, PublicURL: "http://callbacks",
		// Timers of one lease must not end at one instant: select would choose.
		Times: runner.Times{LookAfter: 2*time.Second + 3100*time.Microsecond, Look: time.Second + 137*time.Microsecond, SoloRenew: 30*time.Second - 11*time.Microsecond},
	}
	if *verbose {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if w.mode == embedded {
		cfg.Dead = func(owner string) bool { return !strings.HasPrefix(owner, p.name+".") }
	}
	r, err := runner.New(cfg)
	if err != nil {
		w.fail("", "runner.New: %v", err)
		return
	}
	p.runner = r
	h.proc = p
}

// kill ends a process at once. Callers hold mu.
func (w *world) kill(p *process, why string) {
	if p.dead {
		return
	}
	p.dead = true
	close(p.gone)
	for _, inv := range w.running(p) {
		for pk := range inv.unnoted {
			w.noteExtra(pk) // the next sweep sends for it again
		}
		for _, pk := range inv.hands {
			w.noteExtra(pk)
			x := w.executions[pk]
			if x == nil {
				continue
			}
			x.helperDied, x.helperSolo = w.since(), inv.lane == queue.Solo && !inv.extended
			if x.downAt >= 0 {
				x.downAt = w.since() // who was about to help died as well
				x.downSolo = x.helperSolo
			}
		}
	}
	w.trace.add(w, event{proc: p.name, op: "dies", note: why})
	w.noteCrash(p)
	h := p.host
	h.proc = nil
	if w.over() {
		return
	}
	d := w.dice("restart", p.salt)
	after := d.between(100*time.Millisecond, 3*time.Second)
	w.run(func() {
		if !w.rest(after) {
			return
		}
		w.mu.Lock()
		w.boot(h)
		if w.mode == embedded {
			w.queue.restart(w.since())
		}
		w.mu.Unlock()
		if w.mode == embedded {
			w.run(w.sweepOnce)
		}
		w.poke()
	})
}

// freeze stops a process for a while. Callers hold mu.
func (w *world) freeze(p *process, d time.Duration) {
	p.thaw = max(p.thaw, w.since()+d)
	w.trace.add(w, event{proc: p.name, op: "freezes", note: d.String()})
}

// invoke begins an invocation on a host that has room. Callers hold mu.
func (w *world) invoke(h *host, kind string, lane queue.Lane, limit time.Duration, f func(context.Context, *runner.Runner)) *invocation {
	p := h.proc
	w.invocations++
	inv := &invocation{
		id: w.invocations, proc: p, kind: kind, lane: lane, deadline: w.since() + limit,
		done: make(chan struct{}), leases: map[string]*lease{}, unnoted: map[string]bool{}, replaced: map[string]int{}, reported: map[string]bool{},
	}
	h.active++
	p.invocations = append(w.running(p), inv)
	ctx, cancel := context.WithDeadline(context.WithValue(w.root, invocationKey{}, inv), w.start.Add(inv.deadline))
	w.run(func() {
		defer cancel()
		defer close(inv.done)
		defer w.returned(inv)
		f(ctx, p.runner)
	})
	if w.mode == lambda {
		w.run(func() { w.reap(inv) })
	} else {
		w.run(func() { w.watch(inv) })
	}
	return inv
}

// running lists the invocations of a process that have not returned.
func (w *world) running(p *process) []*invocation {
	var all []*invocation
	for _, inv := range p.invocations {
		if !inv.returned {
			all = append(all, inv)
		}
	}
	return all
}

func (w *world) returned(inv *invocation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	inv.returned = true
	if !inv.proc.dead {
		inv.proc.host.active--
	}
	w.poke()
}

// reap kills an invocation at its deadline, as Lambda does. A frozen one is
// let live for a moment after it thaws, so that its late writes are seen.
func (w *world) reap(inv *invocation) {
	d := dice(mix(inv.proc.salt, uint64(inv.id)))
	left := inv.deadline - w.since() + d.between(time.Millisecond, 50*time.Millisecond)
	for {
		if !w.restOf(inv, left) {
			return
		}
		w.mu.Lock()
		left = inv.proc.thaw - w.since()
		if left <= 0 {
			w.kill(inv.proc, "at its deadline")
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		left += d.between(0, 10*time.Second)
	}
}

// watch demands that an invocation returns by itself soon after its deadline.
func (w *world) watch(inv *invocation) {
	left := inv.deadline + 30*time.Second - w.since()
	for {
		if !w.restOf(inv, left) {
			return
		}
		w.mu.Lock()
		left = inv.proc.thaw + 30*time.Second - w.since()
		if left <= 0 {
			w.fail("", "invocation %d (%s %s of %s) has not returned 30 s after its deadline", inv.id, inv.kind, inv.lane, inv.proc.name)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
	}
}

// restOf lets d pass; it reports false once the invocation is over.
func (w *world) restOf(inv *invocation, d time.Duration) bool {
	t := time.NewTimer(w.claim(d, uint64(inv.id)))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-inv.done:
	case <-inv.proc.gone:
	case <-w.stop:
	}
	return false
}

// room finds a host that can take another invocation. Callers hold mu.
func (w *world) room(d *dice, fits func(*host) bool) *host {
	var free []*host
	for _, h := range w.hosts {
		if h.proc != nil && h.proc.thaw <= w.since() && h.active < h.size && fits(h) {
			free = append(free, h)
		}
	}
	if len(free) == 0 {
		return nil
	}
	return free[d.below(len(free))]
}
