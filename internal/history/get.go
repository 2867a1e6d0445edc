package history

import (
	"context"
	"encoding/json"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/engine"
	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Records reads what an execution's META refers to; *runner.Runner does.
type Records interface {
	// Steps are the records of META's run, its last outcome included.
	Steps(ctx context.Context, m *record.Meta) (map[string]*record.Step, error)
	// Input and Output are JSON, nil for none.
	Input(ctx context.Context, m *record.Meta) (json.RawMessage, error)
	Output(ctx context.Context, m *record.Meta) (json.RawMessage, error)
	// Earlier is the META of an earlier run, m itself where run is its own, and
	// problem.NotFound for a run that is not there.
	Earlier(ctx context.Context, m *record.Meta, run int) (*record.Meta, error)
	// CallbackURL is the address that completes a callback step.
	CallbackURL(m *record.Meta, step string) string
}

// Get reads one execution with its steps, strongly. What is not stored but
// follows (skipped steps, transforms, which step is running) is worked out by
// the engine, as a worker would. An unknown id is problem.NotFound.
func (r *Reader) Get(ctx context.Context, tenant, id string) (*Execution, error) {
	m, err := r.meta(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	return r.view(ctx, m, nil)
}

// Ended is Get for an execution of which the caller holds META and steps, as
// they were at its end.
func (r *Reader) Ended(ctx context.Context, m *record.Meta, steps map[string]*record.Step) (*Execution, error) {
	return r.view(ctx, m, steps)
}

// GetRun is Get for a certain run: a retry appends a run and keeps the ones
// before. A run that is not there is problem.NotFound.
func (r *Reader) GetRun(ctx context.Context, tenant, id string, run int) (*Execution, error) {
	m, err := r.meta(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	if m, err = r.Records.Earlier(ctx, m, run); err != nil {
		return nil, err
	}
	return r.view(ctx, m, nil)
}

func (r *Reader) meta(ctx context.Context, tenant, id string) (*record.Meta, error) {
	notFound := problem.New(problem.NotFound, "no execution has this id")
	if _, err := record.CreatedAt(id); err != nil {
		return nil, notFound
	}
	items, err := r.store().Get(ctx, []table.Key{record.MetaKey(tenant, id)}, true)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 || record.Expired(items[0].Attrs, r.Now()) {
		return nil, notFound
	}
	return record.DecodeMeta(items[0])
}

// view is what META and recs say; recs nil: they are read.
func (r *Reader) view(ctx context.Context, m *record.Meta, recs map[string]*record.Step) (*Execution, error) {
	doc, err := r.Docs.Document(ctx, m.Tenant, m.Workflow, m.Version)
	if err != nil {
		return nil, err
	}
	if recs == nil {
		if recs, err = r.Records.Steps(ctx, m); err != nil {
			return nil, err
		}
	}
	now := r.Now()
	e := summary(m, now)
	if e.Input, err = r.Records.Input(ctx, m); err != nil {
		return nil, err
	}
	if e.Output, err = r.Records.Output(ctx, m); err != nil {
		return nil, err
	}
	var input any
	if len(e.Input) > 0 {
		if input, err = expr.Decode(e.Input); err != nil {
			return nil, err
		}
	}
	if e.StartedAt == nil && m.Leased >= m.NotBefore {
		e.StartedAt = unixMilli(m.Leased)
	}
	e.Cost = &Cost{WriteUnits: float64(m.WriteUnits) / 10, ReadUnits: float64(m.ReadUnits) / 10}

	info := engine.Info{ID: m.ID, Workflow: m.Workflow, Version: m.Version, Run: m.Run, CreatedAt: m.Created.Format(time.RFC3339Nano)}
	machine := engine.New(doc, info, input, recs, func(step string) (string, string) { return "", "" })
	plan := machine.Decide(lookAt(m, now.UnixMilli()))
	if !m.Status.Terminal() {
		e.WaitingFor = r.waits(m, plan.Waiting)
	}
	e.Steps = make([]Step, 0, len(doc.Steps))
	for _, s := range doc.Steps {
		e.Steps = append(e.Steps, stepView(m, machine, s, now))
	}
	return &e, nil
}

// lookAt is the view a reader has: signals are shown once they have had their
// effect. What had not passed when the execution ended stays that way.
func lookAt(m *record.Meta, now int64) engine.View {
	if m.Status.Terminal() {
		now = m.Ended
	}
	return engine.View{
		Now: now, NotBefore: m.NotBefore, Deadline: max(m.Deadline, now+1),
		Pause: m.Status == record.Paused,
	}
}

func (r *Reader) waits(m *record.Meta, plan []engine.Wait) []Wait {
	waits := make([]Wait, 0, len(plan))
	for _, w := range plan {
		wait := Wait{Step: w.Step, Reason: w.Reason, Until: unixMilli(w.Until)}
		if w.Reason == string(record.ForCallback) {
			wait.URL = r.Records.CallbackURL(m, w.Step)
			if w.Until == 0 {
				wait.Until = unixMilli(m.Deadline)
			}
		}
		waits = append(waits, wait)
	}
	return waits
}

func stepView(m *record.Meta, machine *engine.Machine, s *workflow.Step, now time.Time) Step {
	rec := machine.Record(s)
	v := Step{ID: s.ID, Type: string(s.Type), Status: machine.Status(s), Output: machine.Output(s), Attempts: []Attempt{}}
	if v.Status == "" {
		v.Status = record.StepPending
	}
	held := m.Status == record.Running && m.LeaseUntil > now.UnixMilli()
	switch {
	case m.Status.Terminal() && rec != nil && !v.Status.Terminal():
		v.Status = record.StepCancelled
	case held && machine.Ready(s):
		v.Status = record.StepRunning
	}
	if e := machine.Err(s); e != nil {
		v.Error = &Error{Category: e.Category, Code: e.Code, Message: e.Message}
	} else if rec != nil && rec.Body.Error != nil && !v.Status.Terminal() {
		e := rec.Body.Error
		v.Error = &Error{Category: e.Category, Code: e.Code, Message: e.Message}
	}
	if rec == nil {
		if m.Status == record.Succeeded && v.Status == record.StepFailed {
			// No step of it failed: what was computed then is beyond a bound of now.
			v.Status, v.Error = record.StepSucceeded, nil
		}
		return v
	}
	for i, a := range rec.Body.Attempts {
		v.Attempts = append(v.Attempts, attemptView(rec.Body.Dropped+i+1, a))
	}
	v.StartedAt, v.EndedAt = span(rec, v.Status)
	return v
}

// span is when a step began and ended, as far as its record says.
func span(rec *record.Step, status record.StepStatus) (from, to *time.Time) {
	from = unixMilli(rec.First)
	if tries := rec.Body.Attempts; len(tries) > 0 {
		if from == nil && rec.Body.Dropped == 0 {
			from = unixMilli(tries[0].Start)
		}
		if status.Terminal() {
			to = unixMilli(tries[len(tries)-1].End)
		}
	}
	if rec.For == record.ForTimer && status == record.StepSucceeded {
		to = unixMilli(rec.Due)
	}
	return from, to
}

func attemptView(n int, a record.Attempt) Attempt {
	v := Attempt{
		N: n, StartedAt: time.UnixMilli(a.Start).UTC(), EndedAt: unixMilli(a.End),
		Outcome: a.Outcome, Category: a.Category, Message: a.Message,
	}
	if a.Delay > 0 {
		v.Delay = workflow.FormatDuration(time.Duration(a.Delay) * time.Millisecond)
	}
	return v
}
