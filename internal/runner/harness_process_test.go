package runner_test

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// process is one Runner with an incarnation and a clock of its own. Of a dead
// one nothing comes any more: its port calls return when the test is over.
type process struct {
	w       *world
	name    string
	runner  *runner.Runner
	latency time.Duration // one way
	skew    time.Duration
	gone    chan struct{} // closed when it dies
	frozen  time.Time     // until then; guarded by w.mu
}

// process starts one. What is in change is its configuration's difference to
// the usual one.
func (w *world) process(name string, change ...func(*runner.Config)) *process {
	w.mu.Lock()
	p := &process{w: w, name: name, gone: make(chan struct{}), latency: time.Millisecond + time.Duration(len(w.procs))*1327*time.Nanosecond}
	w.procs = append(w.procs, p)
	w.mu.Unlock()
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	cfg := runner.Config{
		Table: portTable{p}, Queue: portQueue{p}, Docs: registry{w}, HTTP: caller{p}, Tasks: teller{p},
		Now: func() time.Time { return time.Now().Add(p.skew) }, Random: rand.NewPCG(h.Sum64(), 1),
		Incarnation: name, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}, PublicURL: "http://callbacks",
	}
	for _, c := range change {
		c(&cfg)
	}
	r, err := runner.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	p.runner = r
	return p
}

// kill ends the process at once.
func (p *process) kill() { _ = p.die("") }

// dies ends the process and never returns from the call it died in.
func (p *process) dies(why string) error {
	p.die(why)
	return p.hang()
}

func (p *process) die(why string) bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.dead() {
		return false
	}
	close(p.gone)
	p.w.note("%-8s dies %s", p.name, why)
	return true
}

func (p *process) dead() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

func (p *process) hang() error {
	<-p.w.end
	return errOver
}

// freeze stops the process for d: nothing leaves it and nothing arrives.
func (p *process) freeze(d time.Duration) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.frozen = time.Now().Add(d)
	p.w.note("%-8s freezes for %s", p.name, d)
}

// thaw waits until the process is not frozen.
func (p *process) thaw() {
	for {
		p.w.mu.Lock()
		left := time.Until(p.frozen)
		p.w.mu.Unlock()
		if left <= 0 {
			return
		}
		time.Sleep(left) // of the bubble: it hangs
	}
}

// travel lets something go one way.
func (p *process) travel() error {
	if p.w.over() {
		return errOver
	}
	time.Sleep(p.latency) // of the bubble: the network's time
	p.thaw()
	if p.dead() {
		return p.hang()
	}
	return nil
}

// invocation is a batch in the hands of a process.
type invocation struct {
	p      *process
	done   chan struct{} // closed when the handler has returned
	failed []string
}

// take hands messages to a process, whether they are due or not: in flight
// already, they are delivered twice.
func (p *process) take(ms ...*message) *invocation {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.begin(ms)
}

// begin is take for callers that hold mu.
func (p *process) begin(ms []*message) *invocation {
	w, inv := p.w, &invocation{p: p, done: make(chan struct{})}
	var ds []queue.Delivery
	for _, m := range ms {
		if d, ok := w.receive(m); ok {
			w.note("%-8s receives %s", p.name, m)
			ds = append(ds, d)
		}
	}
	if len(ds) == 0 {
		close(inv.done)
		return inv
	}
	ctx, cancel := context.WithTimeout(w.root, wiring[ds[0].Lane].timeout)
	handle := p.runner.Handle
	if ds[0].Lane == queue.Dead {
		handle = p.runner.DeadLetter
	}
	broken := ds[0].Lane != queue.Dead && time.Now().Before(w.brokenUntil)
	w.wg.Go(func() {
		defer cancel()
		defer close(inv.done)
		if broken {
			return
		}
		inv.failed = handle(ctx, ds)
		w.acknowledge(p, ds, inv.failed)
	})
	return inv
}

// wait waits until the handler has returned, or its process has died.
func (inv *invocation) wait() *invocation {
	select {
	case <-inv.done:
	case <-inv.p.gone:
	}
	return inv
}

// returned reports whether the handler has returned.
func (inv *invocation) returned() bool {
	select {
	case <-inv.done:
		return !inv.p.dead()
	default:
		return false
	}
}

// errDied is the answer of a process that died before it could give one.
var errDied = errors.New("harness: the process died")

// ask makes a request of a process and waits for its answer.
func (p *process) ask(request func(context.Context, *runner.Runner) error) error {
	done := make(chan error, 1)
	p.w.wg.Go(func() {
		defer close(done) // also when a check inside of the request ends the goroutine
		ctx, cancel := context.WithTimeout(p.w.root, 29*time.Second)
		defer cancel()
		done <- request(ctx, p.runner)
	})
	select {
	case err, answered := <-done:
		if p.dead() || !answered {
			return errDied
		}
		return err
	case <-p.gone:
		return errDied
	}
}

// start starts a workflow and returns what was answered.
func (p *process) start(q runner.StartRequest) (got runner.Started, err error) {
	q.Tenant = tenant
	err = p.ask(func(ctx context.Context, r *runner.Runner) error {
		s, err := r.Start(ctx, q)
		if err == nil {
			got = s
		}
		return err
	})
	return got, err
}

// begins starts a workflow, which must succeed, and returns the execution's id.
func (p *process) begins(workflow string) string {
	p.w.t.Helper()
	s, err := p.start(runner.StartRequest{Workflow: workflow})
	if err != nil {
		p.w.t.Fatalf("start of %s: %v", workflow, err)
	}
	return s.ID
}

func (p *process) cancel(id string) error {
	return p.ask(func(ctx context.Context, r *runner.Runner) error { return r.Cancel(ctx, tenant, id) })
}

func (p *process) pause(id string) error {
	return p.ask(func(ctx context.Context, r *runner.Runner) error { return r.Pause(ctx, tenant, id) })
}

func (p *process) resume(id string) error {
	return p.ask(func(ctx context.Context, r *runner.Runner) error { return r.Resume(ctx, tenant, id, runner.Decision{}) })
}

func (p *process) retry(id, from string) error {
	return p.ask(func(ctx context.Context, r *runner.Runner) error {
		return r.Retry(ctx, tenant, id, runner.RetryRequest{From: from})
	})
}

func (p *process) sweep() error {
	return p.ask(func(ctx context.Context, r *runner.Runner) error { return r.Sweep(ctx) })
}

// callback delivers a callback's payload to the address of a step.
func (p *process) callback(id, step, body string) error {
	url := p.runner.CallbackURL(&record.Meta{Tenant: tenant, ID: id, Run: p.w.meta(id).Run}, step)
	return p.ask(func(ctx context.Context, r *runner.Runner) error {
		return r.Callback(ctx, url[len("http://callbacks/-/callbacks/"):], []byte(body))
	})
}
