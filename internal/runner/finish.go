package runner

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/engine"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// mine holds while the lease is ours and no signal has come that we have not
// seen: the fence of every end and every release.
func (x *run) mine() table.Cond {
	return table.All(equals(record.AtEpoch, x.epoch), equals(record.AtSignals, x.meta.Signals))
}

// finish writes the end. last is the outcome that brought it about and has no
// record yet; it rides along where it may and fits. again: a signal or another
// outcome came first, look once more.
func (x *run) finish(f *engine.Finish, last *record.Step) (again bool, err error) {
	w, rides, err := x.finishWrite(f, last)
	if err != nil {
		if last != nil { // the end will be found again from what was done
			x.stored(x.checkpoint(last))
		}
		return false, err
	}
	if last != nil && !rides {
		ev := x.checkpoint(last)
		x.stored(ev)
		if ev.adopted || ev.err != nil {
			return ev.adopted, ev.err
		}
		last = nil
	}
	if f.Status != record.Succeeded {
		x.stopElsewhere()
	}
	task := x.r.expectEnd(x.ctx, x.meta)
	x.bill(&w)
	image, err := x.r.write(x.ctx, w, w.Set[record.AtOwner].Str())
	if err == nil {
		x.r.ends.tell(x.pk, func() *Ended { return x.ended(image) })
		x.r.tellEnd(x.ctx, x.pk, task, image)
		return false, nil
	}
	image, failed := table.Failed(err)
	if last != nil { // whatever becomes of the end, what was done is kept
		x.stored(x.checkpoint(last))
	}
	switch {
	case !failed:
		return false, err
	case !x.stillMine(image):
		return false, errNotMine
	}
	return x.seen(image)
}

// seen takes over what a failed fence has shown. A signal that cannot be read
// must not count as seen: better to leave the lease to the next worker.
func (x *run) seen(image table.Attrs) (again bool, err error) {
	if err := x.see(image); err != nil {
		return false, err
	}
	return true, nil
}

// ended is the run as its FINISH has left it. Only where every step has its
// outcome is all of it known here; otherwise it is nil, and to be read.
func (x *run) ended(image table.Attrs) *Ended {
	m, err := record.DecodeImage(x.pk, image)
	if err != nil || m.Status != record.Succeeded {
		return nil
	}
	end := &Ended{Meta: m, Steps: map[string]*record.Step{}}
	for _, s := range x.doc.Steps {
		if rec := x.machine.Record(s); rec != nil {
			end.Steps[s.ID] = rec
		}
	}
	return end
}

// stillMine reports whether a failed fence was only moved by a signal.
func (x *run) stillMine(image table.Attrs) bool {
	return image != nil && image[record.AtEpoch].Int() == x.epoch && image[record.AtLease].Int() == x.until
}

// finishWrite builds FINISH. The output and the last outcome ride in META as
// far as they fit into its 1 KB. After a takeover the last outcome never does:
// a late writer's STEP and it could disagree.
func (x *run) finishWrite(f *engine.Finish, last *record.Step) (w table.Write, rides bool, err error) {
	w = x.fencedWrite(f.Status)
	w.Set[record.AtEnded] = table.Int(x.r.now())
	if f.Status == record.Failed || f.Status == record.TimedOut {
		w.Set[table.DuePK] = table.String(record.DeadPK(x.meta.Tenant, x.meta.ID))
		w.Set[table.DueSK] = table.Int(x.r.now())
	} else {
		w.Remove = append(w.Remove, table.DuePK, table.DueSK)
	}
	if f.Error != nil {
		room := record.MaxMeta - unbilled - len(record.AtError) - table.ItemSize(w.Key, x.with(w))
		w.Set[record.AtError] = record.EncodeError(f.Error, room)
	}
	if last != nil && !x.meta.Takeover {
		w.Set[record.AtLast] = table.Bytes(record.EncodeLast(last))
		if rides = x.fitsMeta(w); !rides {
			delete(w.Set, record.AtLast)
		}
	}
	if len(f.Output) > 0 {
		packed := record.Pack(f.Output)
		w.Set[record.AtOutput] = table.Bytes(packed)
		if !x.fitsMeta(w) {
			delete(w.Set, record.AtOutput)
			w.Set[record.AtOutputItem] = table.Int(1)
			err = x.storeOutput(packed)
		}
	}
	return w, rides, err
}

// storeOutput puts the OUTPUT that FINISH is going to name. It carries the
// epoch: a worker that froze over it must not replace the output of who took
// over.
func (x *run) storeOutput(packed []byte) error {
	ref, err := x.r.storeChunks(x.ctx, x.pk, x.expires, packed)
	if err != nil {
		return err
	}
	_, err = x.r.write(x.ctx, table.Write{
		Key: record.OutputKey(x.pk, x.number), Kind: table.Put,
		Set: table.Attrs{
			"fv": table.Int(record.FV), "b": table.Bytes(ref), table.ExpiryAttr: table.Int(x.expires),
			record.AtEpoch: table.Int(x.epoch),
		},
		If: table.Cond{
			{{Attr: table.SKAttr, Op: table.Absent}},
			{{Attr: record.AtEpoch, Op: table.Le, Value: table.Int(x.epoch)}},
		},
	}, "")
	if _, failed := table.Failed(err); failed {
		return errNotMine
	}
	return err
}

// fencedWrite is what FINISH and RELEASE share.
func (x *run) fencedWrite(st record.Status) table.Write {
	w := table.Write{
		Key: table.Key{PK: x.pk, SK: "0"}, Kind: table.Update, If: x.mine(),
		Set: table.Attrs{
			record.AtStatus: table.String(string(st)), record.AtLease: table.Int(0),
			record.AtOwner: table.String(x.r.nonce(x.d.Lane == queue.Solo)),
		},
		Add: map[string]int64{},
	}
	if x.meta.Started == 0 && x.meta.NotBefore <= x.r.now() {
		w.Set[record.AtStarted] = table.Int(x.meta.Leased)
	}
	if x.machine == nil {
		return w // nothing could be loaded, so nothing is done with
	}
	if x.meta.Retry != "" {
		w.Remove = append(w.Remove, record.AtRetry) // what it keeps is copied
	}
	for step, mark := range x.meta.Marks {
		if st.Terminal() || x.consumed(step, mark) {
			w.Remove = append(w.Remove, record.AtMark+step)
		}
	}
	return w
}

// consumed reports whether a mark has done its work: its step has a later
// record, or does not exist.
func (x *run) consumed(step, mark string) bool {
	s := x.doc.Step(step)
	if s == nil {
		return true
	}
	rec := x.machine.Record(s)
	if _, count, ok := splitDecision(mark); ok {
		return rec == nil || rec.Count != count
	}
	return rec.Final()
}

// bill adds what this lease has cost so far, and this write, to the
// execution's cost, in tenths of a unit.
func (x *run) bill(w *table.Write) {
	if reads := int64(math.Round(10 * x.meter.ReadUnits())); reads > 0 {
		w.Add[record.AtReadUnits] = reads
	}
	own := &table.Meter{}
	w.Add[record.AtWriteUnits] = 0
	table.BillWrite(table.WithMeter(context.Background(), own), w.Key, x.image, x.with(*w))
	w.Add[record.AtWriteUnits] = int64(math.Round(10 * (x.meter.WriteUnits() + own.WriteUnits())))
}

// with is META once w is applied, as far as it is known here.
func (x *run) with(w table.Write) table.Attrs {
	next, err := table.Apply(x.image, w)
	if err != nil {
		return x.image // the store will say the same
	}
	return next
}

// unbilled is the room in META for what is added once the rest is settled: the
// cost, and the reference to an output in an item of its own.
const unbilled = 24

// fitsMeta reports whether META keeps within its 1 KB with w, which may hold
// more than any item can.
func (x *run) fitsMeta(w table.Write) bool {
	next, err := table.Apply(x.image, w)
	return err == nil && table.ItemSize(w.Key, next)+unbilled <= record.MaxMeta
}

// releaseOr releases the lease until nd. again: a signal came first, look once
// more.
func (x *run) releaseOr(nd int64, st record.Status, handover bool) (again bool, err error) {
	err = x.release(nd, st, handover)
	var moved *signalled
	if errors.As(err, &moved) {
		x.handover, x.lane = false, laneOf(x.meta)
		return x.seen(moved.image)
	}
	return false, err
}

// signalled says that a release lost to a signal under our own lease.
type signalled struct{ image table.Attrs }

func (*signalled) Error() string { return "a signal has come" }

// release writes RELEASE, then sends what wakes the execution again, in this
// order: a message sent before could arrive, find the lease held and be gone.
func (x *run) release(nd int64, st record.Status, handover bool) error {
	w := x.fencedWrite(st)
	w.Set[record.AtNextDue] = table.Int(nd)
	w.Set[record.AtReturns], w.Set[record.AtResends] = table.Int(0), table.Int(0)
	if !handover || x.wroteStep {
		w.Set[record.AtCrashes] = table.Int(0)
	}
	far := st == record.Paused || nd > x.r.now()+queue.MaxDelay.Milliseconds()
	if far {
		w.Set[table.DuePK], w.Set[table.DueSK] = table.String(record.DuePK(x.meta.ID)), table.Int(nd)
	}
	x.bill(&w)
	_, err := x.r.write(x.ctx, w, w.Set[record.AtOwner].Str())
	unknown := errors.Is(err, table.ErrUnknown)
	if image, failed := table.Failed(err); failed {
		if x.stillMine(image) {
			return &signalled{image}
		}
		return errNotMine
	}
	if err != nil && !unknown {
		return err
	}
	hint := record.Message{PK: x.pk, Run: x.meta.Run, Epoch: x.epoch, Why: record.WhyTimer}
	switch {
	case x.putOff:
		hint.Hops, hint.Off = x.msg.Hops, x.msg.Off+1
	case !x.wroteStep:
		hint.Hops = x.msg.Hops + 1
	}
	if !far {
		if err := x.r.send(x.ctx, x.releaseLane(handover), hintFor(hint, handover), x.releaseDelay(nd, handover)); err != nil {
			return err
		}
	}
	if unknown {
		hint.Why = record.WhyGuard
		return x.r.send(x.ctx, laneOf(x.meta), hint, x.r.until(x.until+3000))
	}
	return nil
}

func hintFor(m record.Message, handover bool) record.Message {
	if handover {
		m.Why = record.WhyHandover
	}
	return m
}

func (x *run) releaseLane(handover bool) queue.Lane {
	if handover {
		return x.lane
	}
	return laneOf(x.meta)
}

func (x *run) releaseDelay(nd int64, handover bool) time.Duration {
	if handover {
		return 0
	}
	return max(x.r.until(nd), time.Second)
}
