package runner

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/engine"
	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// run is one execution under one lease. All of it belongs to the goroutine
// that runs work, except what calls and checkpoints hand back over events.
type run struct {
	r   *Runner
	ctx context.Context // of the invocation
	d   queue.Delivery
	msg record.Message
	pk  string

	number  int   // of the run; like its expiry the same under one lease
	expires int64 // Unix seconds

	meta  *record.Meta // as last seen, with the signals seen
	image table.Attrs  // the same, raw, for its size
	epoch int64
	owner string // nonce of the last write that made or renewed the lease
	until int64  // leaseUntil as last written
	meter *table.Meter

	doc        *workflow.Document
	machine    *engine.Machine
	marks      map[string]engine.Mark
	generation map[string]int
	doubtUntil int64

	began     int64
	wroteStep bool
	busy      int                  // calls and checkpoints under way
	begun     map[string]step.Call // of this lease, that may go on elsewhere
	events    chan event
	poked     chan struct{}
	calls     context.Context // of every call; its cause says why calls are cut
	cut       context.CancelCauseFunc
	leaseOut  *time.Timer // cuts the calls before the lease ends
	lost      bool
	refused   bool       // lost because the store did not keep what its holder has
	putOff    bool       // nothing could be begun
	handover  bool       // a ready step does not fit into this invocation
	lane      queue.Lane // of a hand-over
}

// event is something that came back.
type event struct {
	call   *engine.Call // a call has ended, with result
	result engine.Result
	cut    bool // its context was cut for our own reasons

	stored  *record.Step // a checkpoint was made, or adopted
	adopted bool
	err     error
}

// Causes for which calls are cut.
var (
	errCut       = errors.New("handed over")
	errCancelled = errors.New("cancelled")
)

// newRun is an execution as META describes it, neither leased nor loaded. The
// context's meter counts for it, its lease included.
func (r *Runner) newRun(ctx context.Context, d queue.Delivery, msg record.Message, m *record.Meta) *run {
	return &run{
		r: r, ctx: ctx, d: d, msg: msg, pk: msg.PK, number: m.Run, expires: m.Expires, meta: m,
		meter: table.MeterFrom(ctx), began: r.now(),
		events: make(chan event), poked: make(chan struct{}, 1), lane: laneOf(m),
	}
}

// hold notes the lease that META's image shows, written under owner until then.
func (x *run) hold(image table.Attrs, owner string, until int64) error {
	m, err := record.DecodeImage(x.pk, image)
	if err != nil {
		return err
	}
	x.meta, x.image, x.epoch, x.owner, x.until = m, image, m.Epoch, owner, until
	return nil
}

// load reads what the machine is built from; recs are the records where they
// are known. A first lease has nothing to read but a large input.
func (x *run) load(recs map[string]*record.Step) error {
	m := x.meta
	doc, err := x.r.cfg.Docs.Document(x.ctx, m.Tenant, m.Workflow, m.Version)
	if err != nil {
		return err
	}
	x.doc = doc
	if m.Retry != "" {
		if err := x.copyKept(); err != nil {
			return err
		}
		recs = nil
	}
	if recs == nil && m.Epoch > 1 {
		if recs, err = x.r.loadSteps(x.ctx, m); err != nil {
			return err
		}
	}
	if err := x.build(recs); err != nil {
		return err
	}
	x.marks, err = x.readMarks(m)
	return err
}

// build makes the machine of the document, the input and what is recorded.
func (x *run) build(recs map[string]*record.Step) (err error) {
	m := x.meta
	if m.Run > 1 {
		if x.generation, err = x.r.generations(x.ctx, m); err != nil {
			return err
		}
	}
	input, err := x.r.loadInput(x.ctx, m)
	if err != nil {
		return err
	}
	var value any
	if len(input) > 0 {
		if value, err = expr.Decode(input); err != nil {
			return err
		}
	}
	x.machine = engine.New(x.doc, InfoOf(m), value, recs, func(step string) (string, string) { return x.r.link(m, step) })
	return nil
}

// InfoOf is what an execution's expressions read about it.
func InfoOf(m *record.Meta) engine.Info {
	return engine.Info{ID: m.ID, Workflow: m.Workflow, Version: m.Version, Run: m.Run, CreatedAt: m.Created.Format(time.RFC3339Nano)}
}

// giveBack releases a lease under which nothing could be begun, so that a
// store in trouble is not taken for a crash, nor the looking again for a loop.
// What must end anyway does, after some patience, without having been loaded.
func (x *run) giveBack(cause error) error {
	x.putOff = true
	for range signalTries {
		due, err := x.putOffOrEnd()
		var moved *signalled
		if errors.As(err, &moved) { // while it could not be loaded
			if err = x.hold(moved.image, x.owner, x.until); err == nil {
				continue
			}
		}
		if err != nil {
			x.outlived()
			return errors.Join(cause, err)
		}
		x.r.log.Warn("execution not loaded", "execution", x.pk, "until", due, "error", cause)
		return nil
	}
	return errNotMine
}

// putOffOrEnd releases the lease until a time, or ends the execution.
func (x *run) putOffOrEnd() (until time.Time, err error) {
	now := x.r.now()
	if over := x.meta.Cancel || x.meta.Deadline <= now; over && x.msg.Off >= patience {
		return x.r.cfg.Now(), x.r.endCrashed(x.ctx, x.meta, died)
	}
	due := now + min(retryLoad<<min(x.msg.Off, 8), queue.MaxDelay).Milliseconds()
	due = min(due, max(x.meta.Deadline, now+retryLoad.Milliseconds()))
	return time.UnixMilli(due).UTC(), x.release(due, record.Waiting, false)
}

// patience is how often an execution that must end is put off, for the records
// by which what it began elsewhere can be stopped.
const patience = 3

// retryLoad is how long an execution is put off at first; each time in a row
// doubles it, up to what a queue can delay.
const retryLoad = 5 * time.Second

// readMarks reads the bodies of the signals that META announces.
func (x *run) readMarks(m *record.Meta) (map[string]engine.Mark, error) {
	marks := map[string]engine.Mark{}
	var keys []table.Key
	for step, mark := range m.Marks {
		if decision, count, ok := splitDecision(mark); ok {
			marks[step] = engine.Mark{Decision: decision, Count: count}
			continue
		}
		if s := x.doc.Step(step); s == nil || x.machine.Record(s).Final() {
			continue
		}
		keys = append(keys, record.SignalKey(x.pk, x.number, step))
	}
	for len(keys) > 0 {
		n := min(len(keys), table.MaxGet)
		items, err := x.r.get(x.ctx, true, keys[:n]...)
		if err != nil {
			return nil, err
		}
		keys = keys[n:]
		for _, it := range items {
			body, err := x.r.unpack(x.ctx, x.pk, it.Attrs["b"].Bytes())
			if err != nil {
				return nil, err
			}
			step := strings.TrimPrefix(it.SK, record.SignalKey(x.pk, x.number, "").SK)
			marks[step] = engine.Mark{Body: body, At: it.Attrs["at"].Int()}
		}
	}
	return marks, nil
}

// decisionMark is the mark of an operator's word on the record with this count.
func decisionMark(as string, count int64) string { return as + ":" + strconv.FormatInt(count, 10) }

func splitDecision(mark string) (as string, count int64, ok bool) {
	as, n, ok := strings.Cut(mark, ":")
	if !ok {
		return "", 0, false
	}
	count, err := strconv.ParseInt(n, 10, 64)
	return as, count, err == nil
}

func (x *run) view() engine.View {
	return engine.View{
		Now: x.r.now(), NotBefore: x.meta.NotBefore, Deadline: x.meta.Deadline,
		Cancel: x.meta.Cancel, Pause: x.meta.Pause, Marks: x.marks, DoubtUntil: x.doubtUntil,
	}
}

// see takes over what META now says of signals. A weak read may be older than
// what is known; then it says nothing.
func (x *run) see(image table.Attrs) error {
	m, err := record.DecodeImage(x.pk, image)
	if err != nil {
		return err
	}
	switch {
	case m.Epoch > x.epoch, m.Epoch == x.epoch && m.Status != record.Running:
		x.lost = true
	case m.Epoch == x.epoch && m.Signals > x.meta.Signals:
		marks, err := x.readMarks(m)
		if err != nil {
			return err // not seen, then
		}
		x.meta, x.image, x.marks = m, image, marks
	}
	return nil
}

// look reads META for signals, weakly: a cancel is seen a moment later at
// worst, and the release is fenced anyway.
func (x *run) look(strong bool) {
	items, err := x.r.get(x.ctx, strong, table.Key{PK: x.pk, SK: "0"})
	if err == nil && len(items) == 1 {
		err = x.see(items[0].Attrs)
	}
	if err != nil {
		x.r.log.Warn("look for signals failed", "execution", x.pk, "error", err)
	}
}
