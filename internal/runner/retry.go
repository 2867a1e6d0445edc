package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Where a retry may begin, besides a step.
const (
	FromFailed = "failed" // keep every outcome that succeeded
	FromStart  = "start"  // keep nothing
)

// plannedRetry is META's `rt`: what the first lease of the new run does.
type plannedRetry struct {
	From  string `json:"f"`
	Live  bool   `json:"l,omitempty"`
	Input string `json:"i,omitempty"` // hash of an edited input
}

func (p plannedRetry) String() string {
	b, _ := json.Marshal(p) // strings cannot fail
	return string(b)
}

// Retry appends a run to an ended execution and keeps the earlier one
// readable. Asked again with the same request while the new run has not begun,
// it only wakes it. Problems: NotFound, Conflict when the execution is open,
// Invalid for a step that does not exist or an input its schema refuses.
func (r *Runner) Retry(ctx context.Context, tenant, id string, q RetryRequest) error {
	pk := record.PK(tenant, id)
	m, err := r.meta(ctx, pk, true)
	switch {
	case err != nil:
		return unavailable(err)
	case m == nil:
		return problem.New(problem.NotFound, "no execution has this id")
	}
	plan := plannedRetry{From: q.From, Live: q.Live}
	if plan.From == "" {
		plan.From = FromFailed
	}
	if len(q.Input) > 0 {
		sum := sha256.Sum256(q.Input)
		plan.Input = hex.EncodeToString(sum[:8])
	}
	if !m.Status.Terminal() {
		return r.retriedAlready(ctx, m, plan)
	}
	version, doc, err := r.retryDocument(ctx, m, plan, q.Input)
	if err != nil {
		return unavailable(err)
	}
	deadline := r.now() + retrySpan(m, doc)
	if err := r.closeRun(ctx, m, expiry(deadline)); err != nil {
		return unavailable(err)
	}
	return unavailable(r.openRun(ctx, m, plan, version, deadline, q.Input))
}

// retriedAlready answers a retry that finds another one's run: the same retry
// once more, or a conflict.
func (r *Runner) retriedAlready(ctx context.Context, m *record.Meta, plan plannedRetry) error {
	if m.Status.Terminal() { // all of that other run has passed meanwhile
		return problem.New(problem.Conflict, fmt.Sprintf("another retry came first, and its run has ended as %s", m.Status))
	}
	if m.Retry == plan.String() {
		return r.wake(ctx, m)
	}
	return problem.New(problem.Conflict, fmt.Sprintf("the execution has not ended: it is %s", m.Status))
}

func (r *Runner) retryDocument(ctx context.Context, m *record.Meta, plan plannedRetry, input json.RawMessage) (version int, doc *workflow.Document, err error) {
	version = m.Version
	if plan.Live {
		version, doc, err = r.cfg.Docs.Live(ctx, m.Tenant, m.Workflow)
	} else {
		doc, err = r.cfg.Docs.Document(ctx, m.Tenant, m.Workflow, m.Version)
	}
	if err != nil {
		return 0, nil, err
	}
	if plan.From != FromFailed && plan.From != FromStart && doc.Step(plan.From) == nil {
		return 0, nil, &problem.Error{Code: problem.Invalid, Detail: "the retry cannot begin there", Faults: []workflow.Fault{{Pointer: "/from", Detail: `must be "failed", "start" or the id of a step`}}}
	}
	if len(input) > 0 {
		v, err := decodeInput(input)
		if err != nil {
			return 0, nil, err
		}
		if faults := doc.CheckInput(v); len(faults) > 0 {
			for i := range faults {
				faults[i].Pointer = "/input" + faults[i].Pointer
			}
			return 0, nil, &problem.Error{Code: problem.Invalid, Detail: "the input does not fit the workflow's input schema", Faults: faults}
		}
	}
	return version, doc, nil
}

// retrySpan is how long the new run may take: as long as the first might.
func retrySpan(m *record.Meta, doc *workflow.Document) int64 {
	if m.Span > 0 {
		return m.Span
	}
	if span := m.Deadline - max(m.Created.UnixMilli(), m.NotBefore); span > 0 {
		return span
	}
	return doc.Timeout.Milliseconds()
}

// closeRun makes the ended run readable without META, and gives what the new
// run needs a longer life. Everything here may be done twice.
func (r *Runner) closeRun(ctx context.Context, m *record.Meta, xp int64) error {
	recs, err := r.loadSteps(ctx, m)
	if err != nil {
		return err
	}
	if len(m.Last) > 0 {
		last, err := record.DecodeLast(m.Last)
		if err != nil {
			return err
		}
		last.Owner = r.nonce(false)
		if _, err := r.putStep(ctx, m.PK, m.Run, xp, last); err != nil {
			return err
		}
	}
	if err := r.putClosed(ctx, m, recs, xp); err != nil {
		return err
	}
	return r.prolong(ctx, m, xp)
}

// prolong sets the fresh xp on the input, the output, the run's STEPs and every
// chunk that these name.
func (r *Runner) prolong(ctx context.Context, m *record.Meta, xp int64) error {
	each := func(it table.Item) error {
		if c, chunked := record.Reference(it.Attrs["b"].Bytes()); chunked {
			for i := range c.Parts {
				if err := r.live1(ctx, record.ChunkKey(m.PK, c.SHA, i), xp); err != nil {
					return err
				}
			}
		}
		return r.live1(ctx, it.Key, xp)
	}
	var keys []table.Key
	if m.InputItem != "" {
		keys = append(keys, table.Key{PK: m.PK, SK: m.InputItem})
	}
	if m.OutputItem {
		keys = append(keys, record.OutputKey(m.PK, m.Run))
	}
	if len(keys) > 0 {
		items, err := r.get(ctx, true, keys...)
		if err != nil {
			return err
		}
		for _, it := range items {
			if err := each(it); err != nil {
				return err
			}
		}
	}
	prefix := record.StepPrefix(m.Run)
	return r.query(ctx, table.Query{PK: m.PK, From: prefix, To: prefix + "\xff", Strong: true}, each)
}

// live1 gives one item a longer life.
func (r *Runner) live1(ctx context.Context, k table.Key, xp int64) error {
	_, err := r.write(ctx, table.Write{
		Key: k, Kind: table.Update, Set: table.Attrs{table.ExpiryAttr: table.Int(xp)},
		If: table.All(table.Test{Attr: table.ExpiryAttr, Op: table.Lt, Value: table.Int(xp)}),
	}, "")
	if _, failed := table.Failed(err); failed {
		return nil // gone, or living longer already
	}
	return err
}

// openRun makes the execution queued again, as its next run.
func (r *Runner) openRun(ctx context.Context, m *record.Meta, plan plannedRetry, version int, deadline int64, input json.RawMessage) error {
	now, owner, run := r.now(), r.nonce(false), m.Run+1
	w := table.Write{
		Key: table.Key{PK: m.PK, SK: "0"}, Kind: table.Update,
		Set: table.Attrs{
			record.AtRun: table.Int(int64(run)), record.AtVersion: table.Int(int64(version)), record.AtStatus: table.String(string(record.Queued)),
			record.AtOwner: table.String(owner), record.AtLease: table.Int(0), record.AtNextDue: table.Int(0),
			record.AtDeadline: table.Int(deadline), table.ExpiryAttr: table.Int(expiry(deadline)),
			record.AtRetry: table.String(plan.String()), record.AtSpan: table.Int(deadline - now),
			table.DuePK: table.String(record.DuePK(m.ID)), table.DueSK: table.Int(now + sweepSoon.Milliseconds()),
		},
		Add: map[string]int64{record.AtEpoch: 1, record.AtSignals: 1},
		Remove: []string{
			record.AtLast, record.AtNotBefore, record.AtCancel, record.AtPause, record.AtEnded, record.AtStarted, record.AtOutput, record.AtOutputItem,
			record.AtError, record.AtCrashes, record.AtOutcomes, record.AtTakeover, record.AtReturns, record.AtResends,
		},
	}
	for step := range m.Marks {
		w.Remove = append(w.Remove, record.AtMark+step)
	}
	if len(input) > 0 {
		if err := r.storeInput(ctx, m.PK, expiry(deadline), record.InputSK(run, plan.Input), input, inlineRoom(m.Workflow, m.Tags), w.Set); err != nil {
			return err
		}
		for _, at := range []string{record.AtInput, record.AtInputItem} {
			if _, set := w.Set[at]; !set {
				w.Remove = append(w.Remove, at)
			}
		}
	}
	for _, st := range []record.Status{record.Succeeded, record.Failed, record.Cancelled, record.TimedOut} {
		w.If = append(w.If, []table.Test{statusIs(st), equals(record.AtRun, int64(m.Run)), equals(record.AtSignals, m.Signals)})
	}
	image, err := r.write(ctx, w, owner)
	if old, moved := table.Failed(err); moved {
		if image = old; image == nil {
			return problem.New(problem.NotFound, "no execution has this id")
		}
		meta, err := record.DecodeImage(m.PK, image)
		if err != nil {
			return err
		}
		return r.retriedAlready(ctx, meta, plan)
	}
	if err != nil {
		return err
	}
	meta, err := record.DecodeImage(m.PK, image)
	if err != nil {
		return err
	}
	return r.wake(ctx, meta)
}

// copyKept copies to the new run the outcomes that its retry keeps. It is done
// again by the next lease when this one dies over it.
func (x *run) copyKept() error {
	var plan plannedRetry
	if err := json.Unmarshal([]byte(x.meta.Retry), &plan); err != nil {
		return fmt.Errorf("the planned retry is not readable: %w", err)
	}
	if plan.From == FromStart {
		return nil
	}
	again := map[int]bool{}
	if s := x.doc.Step(plan.From); s != nil && plan.From != FromFailed {
		for _, i := range x.doc.Order {
			if i == s.Index {
				again[i] = true
			}
			for _, need := range x.doc.Steps[i].Needs {
				again[i] = again[i] || again[need]
			}
		}
	}
	prefix := record.StepPrefix(x.meta.Run - 1)
	q := table.Query{PK: x.pk, From: prefix, To: prefix + "\xff", Strong: true}
	return x.r.query(x.ctx, q, func(it table.Item) error {
		rec, _, err := record.DecodeStep(it, prefix)
		if err != nil {
			return err
		}
		s := x.doc.Step(rec.ID)
		passed := rec.State == record.Open && rec.For == record.ForTimer && rec.Due <= x.r.now()
		if s == nil || again[s.Index] || !passed && rec.State != record.Done {
			return nil
		}
		return x.copyStep(it, rec.ID)
	})
}

func (x *run) copyStep(it table.Item, step string) error {
	attrs := table.Attrs{}
	for k, v := range it.Attrs {
		attrs[k] = v
	}
	owner := x.r.nonce(false)
	attrs[record.AtOwner], attrs[table.ExpiryAttr] = table.String(owner), table.Int(x.meta.Expires)
	_, err := x.r.write(x.ctx, table.Write{
		Key: record.StepKey(x.pk, x.meta.Run, step), Kind: table.Put, Set: attrs, If: table.IfAbsent(),
	}, owner)
	if _, there := table.Failed(err); there {
		return nil
	}
	return err
}
