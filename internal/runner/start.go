package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// KeyLife is how long an idempotency key stands for what it has started
// (README, Limits).
const KeyLife = 24 * time.Hour

// Protocol spans of a start (PROTOCOL 3, START).
const (
	oldStart     = 30 * time.Second // an id this old may have been passed by the sweep
	putWithin    = 20 * time.Second // the Put ends within this of the look at the id's age
	takeOver     = 10 * time.Second // after which a replay sends for a dead starter
	watchAfter   = 2 * time.Minute
	maxTagsBytes = 256
)

// Start starts an execution, or finds the one that its key has started.
// Problems: NotFound for an unknown workflow or version, Invalid for an input
// that its schema refuses, KeyReused for a key that came with another body,
// Unavailable when nothing is known to have been written.
func (r *Runner) Start(ctx context.Context, s StartRequest) (Started, error) {
	if s.Task != nil && r.cfg.Tasks == nil {
		return Started{}, errNoTasks
	}
	meter := &table.Meter{}
	ctx = table.WithMeter(ctx, meter)
	f, doc, err := r.freeze(ctx, s)
	var c claimed
	if s.Key != "" {
		if f, c, err = r.claim(ctx, s, f, err); err == nil && c.before {
			doc, err = r.cfg.Docs.Document(ctx, s.Tenant, f.workflow, f.version)
		}
	}
	if err != nil {
		return Started{}, unavailable(err)
	}
	out, err := r.begin(ctx, s, f, doc, meter, c.before)
	out.Differs = c.differs
	return out, err
}

// freeze fixes workflow, version and id of a new execution.
func (r *Runner) freeze(ctx context.Context, s StartRequest) (f frozen, doc *workflow.Document, err error) {
	f = frozen{workflow: s.Workflow, id: r.newID(r.cfg.Now())}
	f.version, doc, err = r.cfg.Docs.Live(ctx, s.Tenant, s.Workflow)
	if err == nil && s.Version != 0 && s.Version != f.version { // of a name that is not hidden
		f.version = s.Version
		doc, err = r.cfg.Docs.Document(ctx, s.Tenant, s.Workflow, s.Version)
	}
	if err != nil {
		return f, nil, err
	}
	input, err := decodeInput(s.Input)
	if err != nil {
		return f, nil, err
	}
	if faults := doc.CheckInput(input); len(faults) > 0 {
		for i := range faults {
			faults[i].Pointer = "/input" + faults[i].Pointer
		}
		return f, nil, &problem.Error{Code: problem.Invalid, Detail: "the input does not fit the workflow's input schema", Faults: faults}
	}
	return f, doc, nil
}

func decodeInput(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	v, err := expr.Decode(raw)
	if err != nil {
		return nil, &problem.Error{Code: problem.Invalid, Detail: "the input is not usable", Faults: []workflow.Fault{{Pointer: "/input", Detail: err.Error()}}}
	}
	return v, nil
}

// startDeadline is when the execution's time is over: its timeout after it may
// begin.
func (r *Runner) startDeadline(s StartRequest, f frozen, doc *workflow.Document) int64 {
	created, _ := record.CreatedAt(f.id) // our own id
	timeout := s.Timeout
	if timeout == 0 {
		timeout = doc.Timeout
	}
	return created.Add(s.Delay + timeout).UnixMilli()
}

// begin puts META and sends its first message.
func (r *Runner) begin(ctx context.Context, s StartRequest, f frozen, doc *workflow.Document, meter *table.Meter, replayed bool) (Started, error) {
	created, err := record.CreatedAt(f.id)
	if err != nil {
		return Started{}, err
	}
	pk := record.PK(s.Tenant, f.id)
	out := Started{
		ID: f.id, Workflow: f.workflow, Version: f.version, Replayed: replayed, Created: created,
		Deadline: time.UnixMilli(r.startDeadline(s, f, doc)).UTC(),
	}
	var at int64
	if s.Delay > 0 {
		at = created.Add(s.Delay).UnixMilli()
	}
	for {
		old, applied, err := r.putMeta(ctx, s, f, pk, at, out.Deadline.UnixMilli(), meter)
		switch {
		case errors.Is(err, errLook):
			continue
		case err != nil:
			return Started{}, unavailable(err)
		case applied:
			r.firstMessage(ctx, s, pk, at, f.id)
			return out, nil
		}
		meta, err := record.DecodeImage(pk, old)
		if err != nil {
			return Started{}, err
		}
		out.Replayed, out.Ended = replayed, meta.Status.Terminal()
		r.finishForDead(ctx, meta)
		return out, nil
	}
}

// errLook asks to look at the id's age again: the Put took too long.
var errLook = errors.New("look at the age of the id again")

// putMeta puts INPUT, where the input is large, TASK, where a task waits, and
// META. old is the META that was there already.
func (r *Runner) putMeta(ctx context.Context, s StartRequest, f frozen, pk string, at, deadline int64, meter *table.Meter) (old table.Attrs, applied bool, err error) {
	looked := r.cfg.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, putWithin, errLook)
	defer cancel()
	owner, xp := r.nonce(false), expiry(deadline)
	set := table.Attrs{
		"fv": table.Int(record.FV), table.HistWork: table.String(f.workflow), record.AtVersion: table.Int(int64(f.version)),
		record.AtRun: table.Int(1), record.AtStatus: table.String(string(record.Queued)), record.AtEpoch: table.Int(0),
		record.AtLease: table.Int(0), record.AtOwner: table.String(owner), record.AtNextDue: table.Int(at),
		record.AtSignals: table.Int(0), record.AtDeadline: table.Int(deadline), table.ExpiryAttr: table.Int(xp),
		table.HistPK: table.String(record.HistPK(s.Tenant, f.id)),
	}
	if at > 0 {
		set[record.AtNotBefore] = table.Int(at)
	}
	if s.Priority != "" && s.Priority != queue.Normal {
		set[record.AtPriority] = table.String(string(s.Priority))
	}
	if len(s.Tags) > 0 {
		tags, _ := json.Marshal(s.Tags) // strings cannot fail
		if len(tags) > maxTagsBytes {
			return nil, false, &problem.Error{Code: problem.Invalid, Detail: "the tags are too large", Faults: []workflow.Fault{{Pointer: "/tags", Detail: fmt.Sprintf("must be at most %d bytes as JSON", maxTagsBytes)}}}
		}
		set[record.AtTags] = table.String(string(tags))
	}
	created, _ := record.CreatedAt(f.id) // checked by the caller
	switch old := looked.Sub(created) > oldStart; {
	case old:
		set[table.DuePK] = table.String(record.DuePK(f.id))
		set[table.DueSK] = table.Int(max(looked.UnixMilli(), at) + watchAfter.Milliseconds())
	case at > created.Add(queue.MaxDelay).UnixMilli():
		set[table.DuePK], set[table.DueSK] = table.String(record.DuePK(f.id)), table.Int(at)
	}
	if len(s.Input) > 0 {
		if err := r.storeInput(ctx, pk, xp, record.InputSK(1, ""), s.Input, inlineRoom(f.workflow, s.Tags), set); err != nil {
			return nil, false, lookAgain(ctx, err)
		}
	}
	if s.Task != nil {
		set[record.AtTask] = table.Int(1)
		if err := r.storeTask(ctx, s.Task, pk, f.id, max(looked.UnixMilli(), at), xp); err != nil {
			return nil, false, lookAgain(ctx, err)
		}
	}
	indexed := 1.0 // hist
	if _, due := set[table.DuePK]; due {
		indexed++
	}
	set[record.AtWriteUnits] = table.Int(int64(10 * (meter.WriteUnits() + 1 + indexed)))
	_, err = r.write(ctx, table.Write{Key: table.Key{PK: pk, SK: "0"}, Kind: table.Put, Set: set, If: table.IfAbsent()}, owner)
	if image, failed := table.Failed(err); failed {
		return image, false, nil
	}
	return nil, err == nil, lookAgain(ctx, err)
}

// lookAgain replaces the error of a Put that ran out of its own time.
func lookAgain(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errLook) {
		return errLook
	}
	return err
}

// inlineRoom is what META has for an input beside the name and the tags, so
// that it stays within its 1 KB whatever its holders write into it.
func inlineRoom(workflow string, tags map[string]string) int {
	room := record.InlineRoom - len(workflow)
	if len(tags) > 0 {
		b, _ := json.Marshal(tags) // strings cannot fail
		room -= len(b)
	}
	return min(record.InlineInput, room)
}

// storeInput puts the input into set where it fits into the room there is, and
// otherwise into an item of its own, before META refers to it.
func (r *Runner) storeInput(ctx context.Context, pk string, xp int64, sk string, input []byte, room int, set table.Attrs) error {
	packed := record.Pack(input)
	if len(packed) <= room {
		set[record.AtInput] = table.Bytes(packed)
		return nil
	}
	ref, err := r.storeChunks(ctx, pk, xp, packed)
	if err != nil {
		return err
	}
	set[record.AtInputItem] = table.String(sk)
	// The key's holders all write the same, so the first one is as good as any.
	_, err = r.write(ctx, table.Write{
		Key: table.Key{PK: pk, SK: sk}, Kind: table.Put, If: table.IfAbsent(),
		Set: table.Attrs{"fv": table.Int(record.FV), "b": table.Bytes(ref), table.ExpiryAttr: table.Int(xp)},
	}, "")
	if _, there := table.Failed(err); there {
		return nil
	}
	return err
}

// firstMessage sends what wakes a new execution. Failing that the sweeper will
// find it, and sooner if a due entry can still be written.
func (r *Runner) firstMessage(ctx context.Context, s StartRequest, pk string, at int64, id string) {
	if at > r.now()+queue.MaxDelay.Milliseconds() {
		return // its due entry came with META
	}
	lane := s.Priority
	if lane == "" {
		lane = queue.Normal
	}
	sctx, sent := written(ctx)
	defer sent()
	err := r.send(sctx, lane, record.Message{PK: pk, Run: 1, Why: record.WhyStart}, r.until(at))
	if err == nil {
		return
	}
	r.log.Warn("first message not sent", "execution", pk, "error", err)
	ctx, cancel := written(ctx) // a queue that is silent has had all of its time
	defer cancel()
	_, err = r.write(ctx, table.Write{
		Key: table.Key{PK: pk, SK: "0"}, Kind: table.Update,
		Set: table.Attrs{table.DuePK: table.String(record.DuePK(id)), table.DueSK: table.Int(max(r.now(), at))},
		If:  table.All(equals(record.AtEpoch, 0), statusIs(record.Queued)),
	}, "")
	if _, failed := table.Failed(err); err != nil && !failed {
		r.log.Warn("due entry not written, the sweep will find it", "execution", pk, "error", err)
	}
}

// written is the context of what must follow a write that stands: who asked for
// it may have hung up meanwhile.
func written(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), afterWrite)
}

// afterWrite is how long that may take.
const afterWrite = 5 * time.Second

// finishForDead sends the first message of an execution whose starter seems to
// have died before it could. Of any number of replays one wins.
func (r *Runner) finishForDead(ctx context.Context, m *record.Meta) {
	now := r.now()
	since := max(m.Created.UnixMilli(), m.NextDue)
	if m.Epoch != 0 || m.Status != record.Queued || m.DuePK != "" || now < since+takeOver.Milliseconds() {
		return
	}
	_, err := r.write(ctx, table.Write{
		Key: table.Key{PK: m.PK, SK: "0"}, Kind: table.Update,
		Set: table.Attrs{table.DuePK: table.String(record.DuePK(m.ID)), table.DueSK: table.Int(now + watchAfter.Milliseconds())},
		If:  table.All(equals(record.AtEpoch, 0), table.Test{Attr: table.DuePK, Op: table.Absent}, statusIs(record.Queued)),
	}, "")
	if err == nil {
		err = r.send(ctx, laneOf(m), record.Message{PK: m.PK, Run: m.Run, Why: record.WhyStart}, 0)
	}
	if _, failed := table.Failed(err); err != nil && !failed {
		r.log.Warn("message of a dead starter not sent", "execution", m.PK, "error", err)
	}
}

// unavailable makes trouble of the store a problem the caller may try again
// on; problems pass unchanged.
func unavailable(err error) error {
	if transient(err) || errors.Is(err, queue.ErrBusy) || errors.Is(err, queue.ErrUnknown) {
		return &problem.Error{Code: problem.Unavailable, Detail: "the store does not take writes at the moment; try again with the same key", Cause: err}
	}
	return err
}
