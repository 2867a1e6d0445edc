package sim

import (
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// skew2 is the clock difference a lease tolerates, in ms.
const skew2 = 2000

// checkWrite looks at every write as it is applied. Callers hold mu.
func (w *world) checkWrite(c *call, wr table.Write, old, now table.Attrs) {
	if !strings.HasPrefix(wr.Key.PK, tenant+"#"+record.IDPrefix) {
		return
	}
	switch {
	case wr.Key.SK == "0":
		delete(c.inv.unnoted, wr.Key.PK)
		w.checkMeta(c, wr.Key.PK, old, now)
	case strings.HasPrefix(wr.Key.SK, "s#"):
		w.checkStep(c, wr.Key, old, now)
	case wr.Key.SK == record.TaskSK:
		w.checkTask(wr.Key.PK, old, now)
	}
}

// checkMeta holds one transition of META against the protocol.
func (w *world) checkMeta(c *call, pk string, old, now table.Attrs) {
	if now == nil {
		w.fail(pk, "META is deleted")
		return
	}
	if size := table.ItemSize(metaKey(pk), now); size > record.MaxMeta {
		w.fail(pk, "META has %d bytes", size)
	}
	if old == nil {
		w.checkBirth(c, pk, now)
		return
	}
	x := w.executions[pk]
	if x.lastStatus(now) != x.lastStatus(old) {
		x.lastMove = w.since()
	}
	if old[record.AtEpoch].Int() > now[record.AtEpoch].Int() || now[record.AtEpoch].Int() > old[record.AtEpoch].Int()+1 {
		w.fail(pk, "the epoch goes from %d to %d", old[record.AtEpoch].Int(), now[record.AtEpoch].Int())
	}
	if old[record.AtSignals].Int() > now[record.AtSignals].Int() {
		w.fail(pk, "the signal count goes from %d to %d", old[record.AtSignals].Int(), now[record.AtSignals].Int())
	}
	if held := now[record.AtLease].Int() != 0; held != (x.lastStatus(now) == record.Running) {
		w.fail(pk, "status %s with leaseUntil %d", x.lastStatus(now), now[record.AtLease].Int())
	}
	if terminal(now) && strings.HasPrefix(now[table.DuePK].Str(), "~due") {
		w.fail(pk, "%s, but still in the due index", x.lastStatus(now))
	}
	defer func() {
		x.lastWrite, x.released = w.since(), -1
		if old[record.AtLease].Int() != 0 && now[record.AtLease].Int() == 0 && !terminal(now) {
			x.released = w.since()
		}
	}()
	switch {
	case terminal(old):
		w.checkAfterEnd(c, x, old, now)
	case old[record.AtRun] != now[record.AtRun]:
		w.fail(pk, "a new run begins although the last one has not ended")
	default:
		w.checkOpen(c, x, old, now)
	}
}

func (*execution) lastStatus(m table.Attrs) record.Status {
	return record.Status(m[record.AtStatus].Str())
}

// checkBirth: one key, one execution; and it starts as the protocol has it.
func (w *world) checkBirth(c *call, pk string, now table.Attrs) {
	x := w.born(pk, now)
	if x.plan == nil || c.inv.kind != "start" || c.inv.start == nil {
		w.fail(pk, "META appears out of a %s", c.inv.kind)
		return
	}
	s := c.inv.start
	x.key, x.delay, x.input = s.key, s.delay, s.input
	if t := w.tasks[s.token]; t != nil {
		t.x = x
		if w.table.attrs(record.TaskKey(pk)) == nil {
			w.fail(pk, "META is born before its TASK")
		}
	}
	for _, other := range w.order {
		if other != x && x.key != "" && other.key == x.key {
			w.fail(pk, "key %s has started %s already", x.key, other.id)
		}
	}
	if now[record.AtStatus].Str() != string(record.Queued) || now[record.AtEpoch].Int() != 0 || now[record.AtLease].Int() != 0 {
		w.fail(pk, "META is born as %s", attrs(now))
	}
}

// checkAfterEnd: a terminal status never changes, but by a retry.
func (w *world) checkAfterEnd(c *call, x *execution, old, now table.Attrs) {
	if old[record.AtRun] == now[record.AtRun] {
		if old[record.AtStatus] != now[record.AtStatus] {
			w.fail(x.pk, "%s becomes %s", x.lastStatus(old), x.lastStatus(now))
		}
		return
	}
	if c.inv.kind != "retry" || x.lastStatus(now) != record.Queued || now[record.AtRun].Int() != old[record.AtRun].Int()+1 {
		w.fail(x.pk, "%s becomes %s, run %d becomes %d, out of a %s", x.lastStatus(old), x.lastStatus(now), old[record.AtRun].Int(), now[record.AtRun].Int(), c.inv.kind)
		return
	}
	x.nextRun(w, int(old[record.AtRun].Int()))
}

// checkOpen: leases, their renewal and their end, and signals.
func (w *world) checkOpen(c *call, x *execution, old, now table.Attrs) {
	from, to := x.lastStatus(old), x.lastStatus(now)
	was, is := old[record.AtLease].Int(), now[record.AtLease].Int()
	clock := w.clock(c.p)
	taken := now[record.AtEpoch].Int() > old[record.AtEpoch].Int()
	if taken && was != 0 && clock < was+skew2 && !(w.mode == embedded && x.holder != nil && x.holder.proc.dead) {
		w.fail(x.pk, "a lease is taken %d ms before its end", was+skew2-clock)
	}
	if taken && was != 0 && !x.holder.proc.dead {
		x.crashes++ // it froze, which looks like death
	}
	if now[record.AtPause].Int() == 0 && x.holder != nil && x.holder.leases[x.pk] != nil {
		x.holder.leases[x.pk].pause = false
	}
	switch {
	case taken && is != 0:
		w.leased(c, x, old, now, clock)
	case taken && !terminal(now):
		w.fail(x.pk, "the epoch grows without a lease or an end")
	case taken: // its workers died too often
	case is != was && c.inv != x.holder:
		w.fail(x.pk, "leaseUntil is written by #%d, but #%d holds the lease", c.inv.id, x.holder.id)
	case is != was && is != 0:
		c.inv.leases[x.pk].until = is
	case from != to && is == was && !(from == record.Paused && to == record.Waiting):
		w.fail(x.pk, "%s becomes %s without a lease", from, to)
	}
	if terminal(now) {
		w.ended(c, x, old, now, clock)
	}
	if is == 0 {
		x.downAt = -1
	}
}

// leased notes a new holder.
func (w *world) leased(c *call, x *execution, old, now table.Attrs, clock int64) {
	switch {
	case old[record.AtLease].Int() != 0:
	case x.lastStatus(old) == record.Paused && old[record.AtDeadline].Int() > clock:
		w.fail(x.pk, "a paused execution is leased")
	case x.lastStatus(old) != record.Paused && old[record.AtNextDue].Int() > clock:
		w.fail(x.pk, "leased %d ms before it is due", old[record.AtNextDue].Int()-clock)
	}
	w.checkLate(x, old)
	w.checkTakeover(x, old)
	x.holder = c.inv
	c.inv.leases[x.pk] = &lease{
		epoch: now[record.AtEpoch].Int(), run: int(now[record.AtRun].Int()), until: now[record.AtLease].Int(), at: w.since(),
		cancel: now[record.AtCancel].Int() != 0, pause: now[record.AtPause].Int() != 0,
	}
	if x.downAt >= 0 {
		w.recovered(x)
	}
	if c.p.dead { // the lease was on its way when its process died
		x.lostHolder(w)
	}
}

// ended checks an end against what has been answered to clients.
func (w *world) ended(c *call, x *execution, old, now table.Attrs, clock int64) {
	x.ends++
	w.noteFirstEnd(x, now)
	switch st := x.lastStatus(now); st {
	case record.Succeeded:
		if old[record.AtCancel].Int() != 0 {
			w.fail(x.pk, "succeeded although it was cancelled")
		}
	case record.Cancelled:
		if !x.cancelAsked {
			w.fail(x.pk, "cancelled, but nobody asked for it")
		}
	case record.TimedOut:
		if clock < old[record.AtDeadline].Int() {
			w.fail(x.pk, "timed out %d ms before its deadline", old[record.AtDeadline].Int()-clock)
		}
	}
	lo, has := now[record.AtLast]
	if !has {
		return
	}
	s, err := record.DecodeLast(lo.Bytes())
	if err != nil {
		w.fail(x.pk, "lo: %v", err)
		return
	}
	run := int(now[record.AtRun].Int())
	step := w.table.attrs(record.StepKey(x.pk, run, s.ID))
	if k := record.State(step["k"].Str()); k == "" || k == record.Open {
		w.outcome(x, run, s.ID, s.State, string(s.Body.Output))
	}
}

// outcome notes a step's outcome: the first one is final.
func (w *world) outcome(x *execution, run int, stepID string, state record.State, output string) {
	k := runStep(run, stepID)
	now := string(state) + " " + output
	if first, have := x.final[k]; have && first != now {
		w.fail(x.pk, "step %s of run %d was %s and becomes %s", stepID, run, first, now)
		return
	} else if have {
		return
	}
	x.final[k] = now
	x.doneAt[k] = w.since()
	if state == record.Broken {
		x.brokenRun, x.brokenAt = run, w.since()
	}
}

// checkStep: an outcome, once there, is there for good; so is a wait's due.
func (w *world) checkStep(c *call, k table.Key, old, now table.Attrs) {
	x := w.executions[k.PK]
	runText, stepID, _ := strings.Cut(k.SK[2:], "#")
	run := atoi(runText)
	if x == nil || now == nil || x.plan.step(stepID) == nil {
		w.fail(k.PK, "a STEP of nothing: %s %s", k.PK, k.SK)
		return
	}
	s, body, err := record.DecodeStep(table.Item{Key: k, Attrs: now}, record.StepPrefix(run))
	if err != nil {
		w.fail(k.PK, "STEP: %v", err)
		return
	}
	if st := record.State(old["k"].Str()); old != nil && st != record.Open && (old["k"] != now["k"] || old["n"] != now["n"] || old["b"] != now["b"]) {
		w.fail(k.PK, "the checkpointed outcome of step %s changes from %s to %s", stepID, attrs(old), attrs(now))
	}
	if s.State == record.Open && s.For == record.ForTimer {
		if due, have := x.waitDue[runStep(run, stepID)]; have && due != s.Due {
			w.fail(k.PK, "the due of wait %s moves from %d to %d", stepID, due, s.Due)
		}
		x.waitDue[runStep(run, stepID)] = s.Due
	}
	if a := w.site(k.PK, stepID).last; a != nil && a.inv == c.inv && a.ended {
		a.written = true
	}
	if s.State != record.Open {
		plain, err := record.Unpack(body)
		if err == nil {
			err = s.DecodeBody(plain)
		}
		if err != nil {
			w.fail(k.PK, "body of step %s: %v", stepID, err)
		}
		w.outcome(x, run, stepID, s.State, string(s.Body.Output))
	}
}
