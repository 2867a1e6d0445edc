package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// signalDue bounds how long a signal may go unseen where its message is lost.
const signalDue = 5 * time.Minute

// signalTries bounds how often a signal looks again after the execution changed
// between its look and its write.
const signalTries = 20

// Cancel asks the execution to end as cancelled. After a nil answer it cannot
// succeed any more. Problems: NotFound, Conflict when it has ended.
func (r *Runner) Cancel(ctx context.Context, tenant, id string) error {
	return r.signal(ctx, tenant, id, func(m *record.Meta) (*signal, error) {
		if m.Cancel && m.Status != record.Paused {
			return nil, nil
		}
		return &signal{
			set: table.Attrs{record.AtCancel: table.Int(1)}, wake: true,
			unless: [][]table.Test{{{Attr: record.AtCancel, Op: table.Absent}}, {statusIs(record.Paused)}},
		}, nil
	})
}

// Pause asks the execution to start nothing new until it is resumed. Problems:
// NotFound, Conflict when it has ended.
func (r *Runner) Pause(ctx context.Context, tenant, id string) error {
	return r.signal(ctx, tenant, id, func(m *record.Meta) (*signal, error) {
		if m.Pause || m.Status == record.Paused {
			return nil, nil
		}
		return &signal{
			set:    table.Attrs{record.AtPause: table.Int(1)},
			unless: [][]table.Test{{{Attr: record.AtPause, Op: table.Absent}}},
		}, nil
	})
}

// Resume lets a paused execution go on; with a Decision, it also settles a step
// whose outcome is unknown. Problems: NotFound, Conflict when it is not paused,
// has ended, or the step's outcome is not unknown.
func (r *Runner) Resume(ctx context.Context, tenant, id string, d Decision) error {
	return r.signal(ctx, tenant, id, func(m *record.Meta) (*signal, error) {
		s := &signal{
			remove: []string{record.AtPause}, wake: true,
			unless: [][]table.Test{{{Attr: record.AtPause, Op: table.Present}}, {statusIs(record.Paused)}},
		}
		if d.Step != "" {
			mark, err := r.decision(ctx, m, d)
			if err != nil {
				return nil, err
			}
			s.set = table.Attrs{record.AtMark + d.Step: table.String(mark)}
			s.unless = append(s.unless, []table.Test{{Attr: record.AtMark + d.Step, Op: table.Ne, Value: table.String(mark)}})
			if m.Marks[d.Step] == mark && !m.Pause && m.Status != record.Paused {
				return nil, nil
			}
			return s, nil
		}
		switch {
		case m.Pause || m.Status == record.Paused:
		case m.Status == record.Waiting && m.NextDue == 0 && m.LeaseUntil == 0:
			return nil, nil // resumed, and nobody has looked yet
		default:
			return nil, problem.New(problem.Conflict, "the execution is not paused")
		}
		return s, nil
	})
}

// decision checks an operator's word on a step against its record.
func (r *Runner) decision(ctx context.Context, m *record.Meta, d Decision) (mark string, err error) {
	if d.As != Again && d.As != AsFailed {
		return "", &problem.Error{Code: problem.Invalid, Detail: "the decision is not usable", Faults: []workflow.Fault{{Pointer: "/as", Detail: `must be "again" or "failed"`}}}
	}
	recs, err := r.loadSteps(ctx, m)
	if err != nil {
		return "", err
	}
	rec := recs[d.Step]
	if rec == nil || rec.Final() || rec.For != record.ForDecision {
		return "", problem.New(problem.Conflict, fmt.Sprintf("step %q has no unknown outcome to decide on", d.Step))
	}
	return decisionMark(d.As, rec.Count), nil
}

// signal is a change of META that its holder, or the next one, must see.
type signal struct {
	set    table.Attrs
	remove []string
	wake   bool // a paused execution becomes waiting
	// unless is what must still hold for the signal to be not yet there.
	unless [][]table.Test
}

// signal marks META and wakes the execution; of a signal that is there already
// (nil) it only wakes it again. The marking carries the status as seen: a
// cancel prepared on `running` must not sleep in what has become `paused`.
func (r *Runner) signal(ctx context.Context, tenant, id string, prepare func(*record.Meta) (*signal, error)) error {
	pk := record.PK(tenant, id)
	for range signalTries {
		m, err := r.openMeta(ctx, pk)
		if err != nil {
			return unavailable(err)
		}
		s, err := prepare(m)
		if err != nil {
			return unavailable(err)
		}
		if s == nil {
			return r.wake(ctx, m)
		}
		seen := []table.Test{statusIs(m.Status), equals(record.AtRun, int64(m.Run)), dueAsSeen(m)}
		w := r.signalWrite(m, s)
		for _, u := range s.unless {
			w.If = append(w.If, append(append([]table.Test{}, seen...), u...))
		}
		_, err = r.write(ctx, w, "")
		if _, moved := table.Failed(err); moved {
			continue
		}
		if err != nil {
			return unavailable(err)
		}
		return r.wake(ctx, m)
	}
	return problem.New(problem.Unavailable, "the execution changes too fast at the moment; try again")
}

func (r *Runner) signalWrite(m *record.Meta, s *signal) table.Write {
	w := table.Write{
		Key: table.Key{PK: m.PK, SK: "0"}, Kind: table.Update, Remove: s.remove,
		Set: table.Attrs{record.AtNextDue: table.Int(0)}, Add: map[string]int64{record.AtSignals: 1},
	}
	for k, v := range s.set {
		w.Set[k] = v
	}
	if s.wake && m.Status == record.Paused {
		w.Set[record.AtStatus] = table.String(string(record.Waiting))
	}
	if soon := r.now() + signalDue.Milliseconds(); m.DuePK != "" && m.DueAt > soon {
		w.Set[table.DueSK] = table.Int(soon)
	}
	return w
}

// openMeta reads the META of an execution that has not ended.
func (r *Runner) openMeta(ctx context.Context, pk string) (*record.Meta, error) {
	m, err := r.meta(ctx, pk, true)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, problem.New(problem.NotFound, "no execution has this id")
	case m.Status.Terminal():
		return nil, problem.New(problem.Conflict, fmt.Sprintf("the execution has ended already, as %s", m.Status))
	}
	return m, nil
}

// wake sends the message of a signal, and tells a holder in this process.
func (r *Runner) wake(ctx context.Context, m *record.Meta) error {
	r.live.poke(m.PK)
	ctx, cancel := written(ctx)
	defer cancel()
	err := r.send(ctx, laneOf(m), record.Message{PK: m.PK, Run: m.Run, Epoch: m.Epoch, Why: record.WhySignal}, 0)
	if err != nil {
		return &problem.Error{Code: problem.Unavailable, Detail: "noted, but the execution could not be woken; try again", Cause: err}
	}
	return nil
}

// Callback completes a waiting callback step with body, or one that is not yet
// reached. Problems: NotFound for a token that is not ours, Conflict when the
// step has its outcome or the run is over, Invalid when the payload does not
// fit the step's schema.
func (r *Runner) Callback(ctx context.Context, token string, body json.RawMessage) error {
	t, err := r.verify(token)
	if err != nil {
		return err
	}
	pk := record.PK(t.tenant, t.id)
	m, err := r.openMeta(ctx, pk)
	if err != nil {
		return unavailable(err)
	}
	if m.Run != t.run {
		return problem.New(problem.Conflict, "this callback belongs to an earlier run of the execution")
	}
	if err := r.checkPayload(ctx, m, t.step, body); err != nil {
		return unavailable(err)
	}
	if err := r.putSignal(ctx, m, t, body); err != nil {
		return unavailable(err)
	}
	return r.mark(ctx, pk, t)
}

func (r *Runner) checkPayload(ctx context.Context, m *record.Meta, stepID string, body json.RawMessage) error {
	doc, err := r.cfg.Docs.Document(ctx, m.Tenant, m.Workflow, m.Version)
	if err != nil {
		return err
	}
	s := doc.Step(stepID)
	if s == nil || s.Type != workflow.Callback {
		return errToken
	}
	var v any
	if len(body) > 0 {
		if v, err = expr.Decode(body); err != nil {
			return &problem.Error{Code: problem.BadRequest, Detail: "the payload is not usable JSON: " + err.Error()}
		}
	}
	if faults := s.CheckPayload(v); len(faults) > 0 {
		return &problem.Error{Code: problem.Invalid, Detail: "the payload does not fit the step's schema", Faults: faults}
	}
	items, err := r.get(ctx, true, record.StepKey(m.PK, m.Run, stepID))
	if err != nil {
		return err
	}
	if len(items) == 1 && record.State(items[0].Attrs["k"].Str()) != record.Open {
		return problem.New(problem.Conflict, "this callback's step has its outcome already")
	}
	return nil
}

// putSignal puts the body before META is marked; the first body counts.
func (r *Runner) putSignal(ctx context.Context, m *record.Meta, t target, body json.RawMessage) error {
	if len(body) == 0 {
		body = json.RawMessage("null")
	}
	ref, err := r.storeChunks(ctx, m.PK, m.Expires, record.Pack(body))
	if err != nil {
		return err
	}
	_, err = r.write(ctx, table.Write{
		Key: record.SignalKey(m.PK, t.run, t.step), Kind: table.Put, If: table.IfAbsent(),
		Set: table.Attrs{"fv": table.Int(record.FV), "b": table.Bytes(ref), "at": table.Int(r.now()), table.ExpiryAttr: table.Int(m.Expires)},
	}, "")
	if _, there := table.Failed(err); there {
		return nil
	}
	return err
}

// mark tells META that the signal has come, unless the step has its outcome.
func (r *Runner) mark(ctx context.Context, pk string, t target) error {
	for range signalTries {
		m, err := r.openMeta(ctx, pk)
		if err != nil {
			return unavailable(err)
		}
		if m.Run != t.run {
			return problem.New(problem.Conflict, "this callback belongs to an earlier run of the execution")
		}
		if m.Marks[t.step] != "" {
			return r.wake(ctx, m) // there and not consumed yet
		}
		items, err := r.get(ctx, true, record.StepKey(pk, t.run, t.step))
		if err != nil {
			return unavailable(err)
		}
		if len(items) == 1 && record.State(items[0].Attrs["k"].Str()) != record.Open {
			return problem.New(problem.Conflict, "this callback's step has its outcome already")
		}
		// What is paused for an unknown outcome, and not by a person, may go on now.
		w := r.signalWrite(m, &signal{set: table.Attrs{record.AtMark + t.step: table.String("1")}, wake: !m.Pause})
		w.If = table.All(statusIs(m.Status), pauseAsSeen(m), equals(record.AtRun, int64(t.run)), table.Test{Attr: record.AtMark + t.step, Op: table.Absent}, dueAsSeen(m))
		_, err = r.write(ctx, w, "")
		if _, moved := table.Failed(err); moved {
			continue
		}
		if err != nil {
			return unavailable(err)
		}
		return r.wake(ctx, m)
	}
	return problem.New(problem.Unavailable, "the execution changes too fast at the moment; try again")
}

// pauseAsSeen holds while a person's pause is as it was read.
func pauseAsSeen(m *record.Meta) table.Test {
	if m.Pause {
		return table.Test{Attr: record.AtPause, Op: table.Present}
	}
	return table.Test{Attr: record.AtPause, Op: table.Absent}
}

// dueAsSeen holds while the entry in the due index is the one that was read.
func dueAsSeen(m *record.Meta) table.Test {
	if m.DuePK == "" {
		return table.Test{Attr: table.DueSK, Op: table.Absent}
	}
	return equals(table.DueSK, m.DueAt)
}
