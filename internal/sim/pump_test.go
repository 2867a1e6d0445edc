package sim

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// dispatch hands messages to processes until the world stops, as Lambda's
// event source mappings do.
func (w *world) dispatch() {
	for w.awaitVisible() {
		d := w.dice("dispatch", 0)
		if !w.rest(d.between(100*time.Microsecond, 15*time.Millisecond)) { // let a batch gather
			return
		}
		w.mu.Lock()
		for _, l := range laneOrder {
			w.deliverLane(l, &d)
		}
		w.mu.Unlock()
	}
}

// awaitVisible waits until a message can be handed out; it reports false when
// the world stops first.
func (w *world) awaitVisible() bool {
	for {
		w.mu.Lock()
		next := w.nextVisible()
		w.mu.Unlock()
		span := time.Hour
		if next >= 0 {
			span = w.until(max(next, w.since()), 0)
		}
		t := time.NewTimer(span)
		select {
		case <-w.stop:
			t.Stop()
			return false
		case <-w.wake:
			t.Stop()
		case <-t.C:
			return true
		}
	}
}

// nextVisible is when the first message can be handed out, -1 for never.
// Callers hold mu.
func (w *world) nextVisible() time.Duration {
	var d dice
	next := time.Duration(-1)
	for _, l := range laneOrder {
		if len(w.queue.lanes[l]) == 0 || w.room(&d, func(h *host) bool { return h.lanes[l] }) == nil {
			continue
		}
		for _, m := range w.queue.lanes[l] {
			if next < 0 || m.visible < next {
				next = m.visible
			}
		}
	}
	return next
}

// deliverLane hands out what is visible in a lane. Callers hold mu.
func (w *world) deliverLane(l queue.Lane, d *dice) {
	for {
		h := w.room(d, func(h *host) bool { return h.lanes[l] })
		if h == nil {
			return
		}
		batch := w.receive(l, d)
		if len(batch) == 0 {
			return
		}
		w.startBatch(h, l, batch)
	}
}

// receive takes a batch off a lane. Callers hold mu.
func (w *world) receive(l queue.Lane, d *dice) []queue.Delivery {
	now, wire := w.since(), wiring[l]
	var ready []*message
	for _, m := range w.queue.lanes[l] {
		if m.visible <= now {
			ready = append(ready, m)
		}
	}
	var batch []queue.Delivery
	for len(ready) > 0 && len(batch) < wire.batch {
		i := 0
		if w.rates[reordered] > 0 && !w.calm {
			i = d.below(len(ready))
		}
		m := ready[i]
		w.noteOvertaking(m)
		ready = append(ready[:i], ready[i+1:]...)
		if wire.receives > 0 && m.receives >= wire.receives {
			w.bury(m)
			continue
		}
		m.receives++
		m.receipt = m.id + "/" + strconv.Itoa(m.receives)
		m.visible = now + wire.visibility
		if w.strikes(lostRedelivered, d) {
			w.trace.add(w, event{op: "lost on the way", message: m.body, note: m.id})
			w.noteExtra(m.pk)
			continue
		}
		if w.strikes(redelivered, d) {
			w.noteExtra(m.pk)
			m.visible = now + d.between(0, 20*time.Second)
		}
		batch = append(batch, queue.Delivery{
			ID: m.id, Body: m.body, Receives: m.receives, Sent: w.start.Add(m.sent), Lane: l, Receipt: m.receipt,
		})
	}
	return batch
}

// noteOvertaking counts a message that comes before one that was sent and due
// before it. Callers hold mu.
func (w *world) noteOvertaking(m *message) {
	if m.receives > 0 || w.calm {
		return
	}
	for _, earlier := range w.queue.lanes[m.lane] {
		if earlier.receives == 0 && earlier.sent < m.sent && earlier.meant < m.meant {
			w.fired[reordered]++
			return
		}
	}
}

// bury moves a message to the dead lane. Callers hold mu.
func (w *world) bury(m *message) {
	w.trace.add(w, event{op: "goes to the dead lane", message: m.body, note: m.id})
	w.queue.remove(m)
	if x := w.executions[m.pk]; x != nil {
		x.downAt = -1 // the dead-letter return takes longer, by design
	}
	m.origin, m.lane = m.lane, queue.Dead
	m.receives, m.receipt, m.visible = 0, "", w.since()
	w.queue.lanes[queue.Dead] = append(w.queue.lanes[queue.Dead], m)
}

// startBatch begins the invocation for a batch. Callers hold mu.
func (w *world) startBatch(h *host, l queue.Lane, batch []queue.Delivery) {
	kind := "work"
	if l == queue.Dead {
		kind = "dead"
	}
	var inv *invocation
	started := make(chan struct{})
	if w.mode == embedded { // elsewhere a batch is answered as a whole
		reportEach(batch, func(done []queue.Delivery, failed []string) { w.acknowledge(inv, done, failed) })
	}
	inv = w.invoke(h, kind, l, wiring[l].timeout, func(ctx context.Context, r *runner.Runner) {
		<-started
		if w.broken(inv) {
			return
		}
		handle := r.Handle
		if l == queue.Dead {
			handle = r.DeadLetter
		}
		failed := handle(ctx, batch)
		w.acknowledge(inv, batch, failed)
	})
	for _, d := range batch {
		w.trace.add(w, event{proc: inv.proc.name, inv: inv.id, op: "receives", message: d.Body, note: d.Receipt + " on " + string(l)})
		if m := w.find(l, d.ID); m != nil {
			inv.hands = append(inv.hands, m.pk)
		}
	}
	close(started)
}

// reportEach has the deliveries of a batch reported as they end. Those of one
// execution, which race each other, are reported together, in the batch's order:
// which of them ends first at one time is not the seed's.
func reportEach(batch []queue.Delivery, report func(done []queue.Delivery, failed []string)) {
	type group struct {
		all    []queue.Delivery
		ended  int
		failed []string
	}
	var mu sync.Mutex
	groups := map[string]*group{}
	for i, d := range batch {
		msg, _ := record.DecodeMessage(d.Body) // the unreadable are one group
		g := groups[msg.PK]
		if g == nil {
			g = &group{}
			groups[msg.PK] = g
		}
		g.all = append(g.all, d)
		batch[i].Done = func(ok bool) {
			mu.Lock()
			defer mu.Unlock()
			if !ok {
				g.failed = append(g.failed, d.ID)
			}
			if g.ended++; g.ended == len(g.all) {
				report(g.all, g.failed)
			}
		}
	}
}

// broken makes an invocation fail before it does anything while no worker can
// start.
func (w *world) broken(inv *invocation) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if inv.kind != "work" || w.since() < w.downFrom || w.since() >= w.downTo {
		return false
	}
	w.fired[outage]++
	return true
}

func (w *world) find(l queue.Lane, id string) *message {
	for _, m := range w.queue.lanes[l] {
		if m.id == id {
			return m
		}
	}
	return nil
}

// acknowledge deletes what was done. What failed stays in flight until its
// visibility timeout, or comes back at once where the queue is embedded. An
// outdated receipt deletes in one case of two, as on SQS. The first report of a
// delivery counts.
func (w *world) acknowledge(inv *invocation, batch []queue.Delivery, failed []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if inv.proc.dead || w.over() {
		return
	}
	bad := map[string]bool{}
	for _, id := range failed {
		bad[id] = true
	}
	now := w.since()
	for _, d := range batch {
		m := w.find(d.Lane, d.ID)
		if m == nil || inv.reported[d.ID] {
			continue
		}
		inv.reported[d.ID] = true
		roll := dice(mix(mixString(w.seed, d.Receipt), uint64(now)))
		switch {
		case bad[d.ID]:
			w.trace.add(w, event{proc: inv.proc.name, inv: inv.id, op: "fails message", message: d.Body, note: d.Receipt})
			w.noteExtra(m.pk)
			if w.mode != lambda && m.receipt == d.Receipt {
				m.visible = min(m.visible, now+roll.between(time.Millisecond, 5*time.Second))
				w.poke()
			}
		case m.receipt == d.Receipt || roll.chance(0.5):
			w.trace.add(w, event{proc: inv.proc.name, inv: inv.id, op: "acks", message: d.Body, note: d.Receipt})
			w.queue.remove(m)
		}
	}
}

// cron runs the sweeper every minute.
func (w *world) cron() {
	d := w.dice("cron", 0)
	for w.rest(time.Minute + d.between(0, time.Second)) {
		if w.mayDoze() {
			continue
		}
		w.sweepOnce()
	}
}

// mayDoze reports whether a sweep cannot find anything: the faults are over,
// nothing is in a queue but what is delayed, everything that is open is watched
// and due later, and so is every task. It only saves the time of simulating such sweeps.
func (w *world) mayDoze() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.calm {
		return false
	}
	soon := w.start.Add(w.since() + 4*time.Minute).UnixMilli()
	for _, x := range w.order {
		if w.untold(x) && w.table.attrs(record.TaskKey(x.pk))[table.DueSK].Int() < soon {
			return false
		}
		m := w.table.attrs(metaKey(x.pk))
		if m == nil || terminal(m) {
			continue
		}
		if _, watched := m["qp"]; !watched || m["qk"].Int() < soon || m["lu"].Int() != 0 {
			return false
		}
	}
	return true
}

// sweepOnce begins one sweep where there is room for it.
func (w *world) sweepOnce() {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.dice("sweep", 1)
	h := w.room(&d, func(h *host) bool { return h.sweep })
	if h == nil || w.over() {
		return
	}
	w.invoke(h, "sweep", "", time.Minute, func(ctx context.Context, r *runner.Runner) {
		_ = r.Sweep(ctx) // its failures are the next sweep's work
	})
}
