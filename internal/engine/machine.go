package engine

import (
	"encoding/json"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Machine holds one run of one execution. It is not safe for concurrent use.
type Machine struct {
	doc   *workflow.Document
	nodes []node
	env   expr.Env
	steps map[string]any // the root `steps` of env, filled as outputs are read
	// link makes a callback's token and address, for the root `callback`.
	link func(step string) (token, url string)
}

// node is what is known of a step.
type node struct {
	rec      *record.Step
	status   record.StepStatus // "" until it is examined
	settled  bool              // status is terminal
	ended    bool              // its dependents are skipped
	inFlight bool
	ready    bool // a call is due
	err      *record.Error
	output   json.RawMessage
	value    any // output, decoded
	decoded  bool
}

// New builds the machine of a run from its STEP records (by step id; `lo`
// included). link may be nil where no call is going to be made.
func New(doc *workflow.Document, info Info, input any, recs map[string]*record.Step, link func(step string) (token, url string)) *Machine {
	m := &Machine{doc: doc, nodes: make([]node, len(doc.Steps)), steps: map[string]any{}, link: link}
	m.env = expr.Env{
		"input": input,
		"vars":  doc.Vars,
		"steps": m.steps,
		"execution": map[string]any{
			"id": info.ID, "workflow": info.Workflow, "version": info.Version,
			"run": info.Run, "createdAt": info.CreatedAt,
		},
	}
	for i, s := range doc.Steps {
		m.nodes[i].rec = recs[s.ID]
	}
	return m
}

// Apply makes rec what is known of its step.
func (m *Machine) Apply(rec *record.Step) {
	if s := m.doc.Step(rec.ID); s != nil {
		m.nodes[s.Index] = node{rec: rec, inFlight: m.nodes[s.Index].inFlight}
	}
}

// Forget drops everything that was derived from records, after a record had to
// be replaced by another outcome.
func (m *Machine) Forget() {
	clear(m.steps)
	for i := range m.nodes {
		m.nodes[i] = node{rec: m.nodes[i].rec, inFlight: m.nodes[i].inFlight}
	}
}

// SetInFlight says whether a call of the step is being made.
func (m *Machine) SetInFlight(s *workflow.Step, on bool) { m.nodes[s.Index].inFlight = on }

// Record is the record of a step, nil for none.
func (m *Machine) Record(s *workflow.Step) *record.Step { return m.nodes[s.Index].rec }

// Status is a step's status at the last Decide.
func (m *Machine) Status(s *workflow.Step) record.StepStatus { return m.nodes[s.Index].status }

// Ready reports whether a call of the step was due at the last Decide.
func (m *Machine) Ready(s *workflow.Step) bool { return m.nodes[s.Index].ready }

// Request is what a call of the step carries, or a call before carried; there is
// none where the step was not reached by the last Decide or is skipped.
func (m *Machine) Request(s *workflow.Step) (request any, reached bool) {
	ready, ended := m.needs(s)
	if n := &m.nodes[s.Index]; !ready || n.rec == nil && (ended || n.status == record.StepSkipped) {
		return nil, false
	}
	request, err := m.request(s)
	return request, err == nil
}

// Output is a settled step's output as JSON; nil is null.
func (m *Machine) Output(s *workflow.Step) json.RawMessage {
	n := &m.nodes[s.Index]
	if n.output == nil && n.decoded && n.value != nil {
		n.output, _ = expr.Encode(n.value) // it came out of an expression, so it encodes
	}
	return n.output
}

// Err is why a step failed, nil when it did not.
func (m *Machine) Err(s *workflow.Step) *record.Error { return m.nodes[s.Index].err }

// Decide looks at every step that is not settled and says what to do next.
func (m *Machine) Decide(v View) Plan {
	var p Plan
	settled := true
	for _, i := range m.doc.Order {
		m.examine(m.doc.Steps[i], v, &p)
		settled = settled && m.nodes[i].settled
	}
	p.due(v.Now, v.Deadline)
	p.Finish = m.finish(v, settled)
	if f := p.Finish; f != nil && v.NotBefore > v.Now && f.Status != record.Cancelled && f.Status != record.TimedOut {
		p.Finish = nil // what needs no call must not end it before it may begin
	}
	if p.Finish != nil {
		p.Writes, p.Calls = nil, nil
		return p
	}
	if v.Pause {
		p.Blocked = true
		p.Waiting = append(p.Waiting, Wait{Reason: "paused", Until: v.Deadline})
	}
	if v.NotBefore > v.Now {
		p.Writes, p.Calls, p.Next = nil, nil, 0
		p.due(v.Now, v.NotBefore)
		p.due(v.Now, v.Deadline)
		p.Waiting = append(p.Waiting, Wait{Reason: "start", Until: v.NotBefore})
	}
	if p.Blocked {
		p.Calls = nil
		p.Writes = doubts(p.Writes)
	}
	return p
}

// doubts keeps the records that say that an outcome is unknown: a pause must
// not make one forget that.
func doubts(ws []*record.Step) []*record.Step {
	var keep []*record.Step
	for _, w := range ws {
		if w.For == record.ForDecision && w.State == record.Open {
			keep = append(keep, w)
		}
	}
	return keep
}

// due makes at a candidate for the next thing to do.
func (p *Plan) due(now, at int64) {
	if at > 0 && (p.Next == 0 || at < p.Next) {
		p.Next = max(at, now)
	}
}

// finish says whether the run is over. A cancel wins over everything that has
// not been written yet, and the deadline over any outcome.
func (m *Machine) finish(v View, settled bool) *Finish {
	if v.Cancel {
		return &Finish{Status: record.Cancelled, Error: &record.Error{Category: string(retry.Cancelled), Message: "cancelled on request"}}
	}
	if v.Deadline <= v.Now {
		return &Finish{Status: record.TimedOut, Error: &record.Error{Category: string(retry.Timeout), Code: "deadline", Message: "the execution's timeout passed"}}
	}
	for _, i := range m.doc.Order {
		if n := &m.nodes[i]; n.settled && (n.status == record.StepFailed || n.status == record.StepCancelled) {
			e := record.Error{Category: string(retry.Internal), Message: "step failed"}
			if n.err != nil {
				e = *n.err
			}
			e.Step = m.doc.Steps[i].ID
			return &Finish{Status: record.Failed, Error: &e}
		}
	}
	if !settled {
		return nil
	}
	out, err := m.output()
	if err != nil {
		return &Finish{Status: record.Failed, Error: err}
	}
	return &Finish{Status: record.Succeeded, Output: out}
}

func (m *Machine) output() (json.RawMessage, *record.Error) {
	if m.doc.Output == nil {
		return nil, nil
	}
	v, fault := evaluate(m, "output", m.doc.Output, m.env)
	if fault != nil {
		return nil, fault
	}
	out, err := expr.Encode(v)
	if err != nil {
		return nil, expressionError("output", err)
	}
	return out, nil
}
