package sim

import (
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// load draws what the clients of this world do.
func (w *world) load(d *dice) {
	names := 1 + d.below(3)
	var plans []*plan
	for i := range names {
		p := newPlan(fmt.Sprintf("plan-%d", i+1), d)
		plans = append(plans, p)
		w.plans[p.name] = p
	}
	if w.rates[poisoned] > 0 {
		p := newPlan("poison", d)
		p.steps = []*planned{{id: "a", kind: "http", needs: []int{}, policy: policy{"exponential", 3, time.Second}, behaviour: behaviour{latency: time.Millisecond}}}
		w.plans[p.name], w.poison = p, p.name
		w.newClient(p, d, 0)
	}
	n := 2 + d.below(5)
	burst := d.chance(0.4) // many at once, so that they share a batch
	for i := range n {
		at := d.between(0, 3*time.Minute)
		if burst {
			at = d.between(0, 5*time.Millisecond)
		}
		_ = i
		w.newClient(plans[d.below(names)], d, at)
	}
}

// newClient draws one execution's client.
func (w *world) newClient(p *plan, d *dice, at time.Duration) {
	s := &startOp{plan: p, input: d.below(1000), ids: map[string]bool{}}
	if d.chance(0.7) {
		s.key = fmt.Sprintf("key-%d", w.scripts)
	}
	s.lane = []queue.Lane{"", queue.High, queue.Normal, queue.Low}[d.below(4)]
	if d.chance(0.12) {
		s.delay = []time.Duration{5 * time.Second, 10 * time.Minute, 40 * time.Minute, 5 * time.Hour}[d.below(4)]
	}
	own := dice(d.next())
	w.drawTask(s, fmt.Sprintf("task-%d", w.scripts), dice(mix(uint64(own), 0x7a5c)))
	w.script(func() {
		if w.rest(at + time.Microsecond) {
			if x := w.startAll(s, own); x != nil {
				w.meddle(x, &own)
			}
		}
	})
}

// meddle is what a client does with an execution it has started.
func (w *world) meddle(x *execution, d *dice) {
	soon := func() time.Duration {
		if d.chance(0.5) {
			return d.between(0, 3*time.Second)
		}
		return d.between(0, 4*time.Minute)
	}
	for range d.pick(0, 0, 1, 1, 2) {
		if !w.rest(soon()) {
			return
		}
		switch d.below(4) {
		case 0:
			w.cancelExecution(x)
		case 1, 2:
			w.pauseExecution(x, soon())
		case 3:
			if !w.await(x, 30*time.Minute) {
				return
			}
			w.retryExecution(x, dice(d.next()))
		}
	}
}

// await waits until an execution has ended, with the patience of a client.
func (w *world) await(x *execution, most time.Duration) bool {
	for end := w.since() + most; w.since() < end; {
		w.mu.Lock()
		m := w.table.attrs(metaKey(x.pk))
		w.mu.Unlock()
		if m != nil && terminal(m) {
			return true
		}
		if !w.rest(7 * time.Second) {
			return false
		}
	}
	return false
}

// janitor is the operator of the calm world: what waits for a decision gets
// one, what is paused is resumed, what waits for a callback that nobody will
// send is cancelled.
func (w *world) janitor() {
	for w.rest(2 * time.Minute) {
		for _, x := range w.openOnes() {
			d := w.dice("janitor", mixString(1, x.id))
			if id := w.undecided(x); id != "" {
				as := []string{runner.Again, runner.Again, runner.AsFailed}[d.below(3)]
				w.resumeExecution(x, runner.Decision{Step: id, As: as})
				continue
			}
			w.mu.Lock()
			m := w.table.attrs(metaKey(x.pk))
			paused := m[record.AtPause].Int() != 0 || x.lastStatus(m) == record.Paused
			hopeless := w.waitsInVain(x)
			w.mu.Unlock()
			switch {
			case paused:
				w.resumeExecution(x, runner.Decision{})
			case hopeless:
				w.cancelExecution(x)
			}
		}
	}
}

func (w *world) openOnes() []*execution {
	w.mu.Lock()
	defer w.mu.Unlock()
	var open []*execution
	for _, x := range w.order {
		if m := w.table.attrs(metaKey(x.pk)); m != nil && !terminal(m) {
			open = append(open, x)
		}
	}
	return open
}

// undecided is a step whose outcome is unknown, "" for none.
func (w *world) undecided(x *execution) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.table.attrs(metaKey(x.pk))
	if x.lastStatus(m) != record.Paused {
		return ""
	}
	for _, s := range x.plan.steps {
		if a := w.stepOf(x, m, s.id); a["k"].Str() == string(record.Open) && a["why"].Str() == string(record.ForDecision) {
			return s.id
		}
	}
	return ""
}

func (w *world) stepOf(x *execution, meta table.Attrs, id string) table.Attrs {
	return w.table.attrs(record.StepKey(x.pk, int(meta[record.AtRun].Int()), id))
}

// waitsInVain reports whether an execution waits for a callback only, without
// a timeout, that no script is going to send. Callers hold mu.
func (w *world) waitsInVain(x *execution) bool {
	m := w.table.attrs(metaKey(x.pk))
	if w.scripts > 0 || x.lastStatus(m) != record.Waiting {
		return false
	}
	for _, s := range x.plan.steps {
		a := w.stepOf(x, m, s.id)
		if a["why"].Str() == string(record.ForCallback) && a["due"].Int() == 0 {
			_, sent := x.delivered[runStep(int(m[record.AtRun].Int()), s.id)]
			return !sent
		}
	}
	return false
}
