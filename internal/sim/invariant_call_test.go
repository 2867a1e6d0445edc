package sim

import (
	"strconv"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

func runStep(run int, stepID string) string { return strconv.Itoa(run) + "/" + stepID }

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// checkCall looks at every call as it begins. Callers hold mu.
func (w *world) checkCall(f *flight, generation string) {
	x, l := f.x, f.inv.leases[f.x.pk]
	if l == nil {
		w.fail(x.pk, "step %s is called by #%d, which never held a lease", f.s.id, f.inv.id)
		return
	}
	meta := w.table.attrs(metaKey(x.pk))
	clock := w.clock(f.p)
	switch left := l.until - clock; {
	case x.holder != f.inv:
		w.fail(x.pk, "step %s is called by #%d, but #%d has taken over", f.s.id, f.inv.id, x.holder.id)
	case left < 4990: // records count in whole milliseconds
		w.fail(x.pk, "step %s is called with %d ms left of the lease", f.s.id, left)
	case terminal(meta):
		w.fail(x.pk, "step %s is called although the execution is %s", f.s.id, x.lastStatus(meta))
	case meta[record.AtNotBefore].Int() > clock:
		w.fail(x.pk, "step %s is called %d ms before the delayed start", f.s.id, meta[record.AtNotBefore].Int()-clock)
	}
	if first, done := x.final[runStep(l.run, f.s.id)]; done {
		w.fail(x.pk, "step %s is called again after its outcome %s was checkpointed", f.s.id, first)
	}
	w.checkKey(f, generation)
	w.checkNeeds(f, clock)
	w.checkStopped(f, l)
	w.checkDelicate(f)
}

// checkKey: the key is the same for every call of a step, and has a generation
// only where a success is run again on purpose.
func (w *world) checkKey(f *flight, generation string) {
	k := runStep(f.run, f.s.id)
	if first, have := f.x.keys[k]; have && first != generation {
		w.fail(f.x.pk, "step %s is called with generation %q, before with %q", f.s.id, generation, first)
	}
	f.x.keys[k] = generation
	if again := f.x.generations[f.s.id] > 0; again != (generation != "") {
		w.fail(f.x.pk, "step %s has succeeded %d times in earlier runs, and is called with generation %q", f.s.id, f.x.generations[f.s.id], generation)
	}
}

// checkNeeds: nothing starts before what it needs is over, by the caller's own
// clock where that is a wait.
func (w *world) checkNeeds(f *flight, clock int64) {
	for _, i := range f.s.needs {
		need := f.x.plan.steps[i]
		k := runStep(f.run, need.id)
		if due, waits := f.x.waitDue[k]; waits && due > clock {
			w.fail(f.x.pk, "step %s is called %d ms before the wait %s is over", f.s.id, due-clock, need.id)
		}
		rec := w.table.attrs(record.StepKey(f.x.pk, f.run, need.id))
		if record.State(rec["k"].Str()) == record.Open && need.kind != "wait" {
			w.fail(f.x.pk, "step %s is called although %s is open", f.s.id, need.id)
		}
		if first, done := f.x.final[k]; done && !strings.HasPrefix(first, string(record.Done)) {
			w.fail(f.x.pk, "step %s is called although %s ended as %s", f.s.id, need.id, first)
		}
	}
}

// lookTime is how long after its answer a cancel or a pause may go unseen by
// who holds the lease: it looks two seconds after it leased, then every second.
func (w *world) lookTime() time.Duration {
	d := 6 * time.Second
	if w.rates[staleRead] > 0 {
		d += w.maxStale
	}
	return d
}

// checkStopped: a cancel, a pause or a step that failed for good let nothing
// new start, at once under a lease taken later, soon under an earlier one.
func (w *world) checkStopped(f *flight, l *lease) {
	x, now := f.x, w.since()
	if l.cancel || l.pause {
		w.fail(x.pk, "step %s is called under a lease that saw a cancel or a pause", f.s.id)
	}
	if x.brokenRun == l.run && x.brokenAt < l.at {
		w.fail(x.pk, "step %s is called although a step failed for good before the lease was taken", f.s.id)
	}
	late := func(since time.Duration) bool {
		return since >= 0 && now > max(since, f.p.thaw)+w.lookTime()
	}
	if late(x.cancelled) || late(x.paused) {
		w.fail(x.pk, "step %s is called although a cancel (%s) or a pause (%s) was answered", f.s.id, x.cancelled, x.paused)
	}
}

// checkDelicate: a step with idempotent: false is called again only after a
// clear failure that its caller knows of, or on an operator's word.
func (w *world) checkDelicate(f *flight) {
	last := f.site.last
	if !f.s.delicate || last == nil || last.run != f.run {
		return
	}
	known := last.clear && last.ended && (last.inv == f.inv || last.written)
	if known {
		return
	}
	if f.site.decided == 0 {
		w.fail(f.x.pk, "step %s is not idempotent and is called again after an unclear end (ended %v, clear %v, recorded %v)", f.s.id, last.ended, last.clear, last.written)
		return
	}
	f.site.decided--
}

// maxLive is how many messages of one execution may live.
const maxLive = 4

// extraLife is how long a message that was asked for, doubled or left standing
// may linger: where it is longest, on solo, it is received so many times, so far
// apart.
var extraLife = time.Duration(wiring[queue.Solo].receives)*wiring[queue.Solo].visibility + 2*time.Minute

// replaced is how many of an execution's messages are in the hands of those who
// have sent others in their place: they are deleted with their batches. Callers
// hold mu.
func (w *world) replaced(pk string) (n int) {
	for _, h := range w.hosts {
		if h.proc == nil {
			continue
		}
		for _, inv := range w.running(h.proc) {
			held := 0
			for _, in := range inv.hands {
				if in == pk {
					held++
				}
			}
			n += min(held, inv.replaced[pk])
		}
	}
	return n
}

// checkSend counts the live messages of an execution. Callers hold mu.
func (w *world) checkSend(c *call, msg *message) {
	x := w.executions[msg.pk]
	if x == nil {
		w.fail(msg.pk, "a message for an execution that does not exist")
		return
	}
	switch c.inv.kind {
	case "work", "dead":
	case "sweep":
		c.inv.unnoted[msg.pk] = true
	default:
		if x.sends > 0 {
			w.noteExtra(msg.pk)
		}
	}
	x.sends++
	live := 0
	for _, l := range laneOrder {
		for _, m := range w.queue.lanes[l] {
			if m.pk == msg.pk {
				live++
			}
		}
	}
	for len(x.extras) > 0 && x.extras[0] < w.since()-extraLife {
		x.extras = x.extras[1:]
	}
	c.inv.replaced[msg.pk]++
	live -= w.replaced(msg.pk)
	x.mostLive = max(x.mostLive, live-len(x.extras))
	if live > maxLive+len(x.extras) {
		w.fail(msg.pk, "%d live messages, %d of them the world's or a client's", live, len(x.extras))
	}
}
