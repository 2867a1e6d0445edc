package engine

import (
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// examine finds out where a step stands and adds what it asks for to the plan.
func (m *Machine) examine(s *workflow.Step, v View, p *Plan) {
	n := &m.nodes[s.Index]
	if n.settled {
		return
	}
	n.ready = false
	if n.rec.Final() {
		m.settleFrom(n)
		return
	}
	ready, ended := m.needs(s)
	if !ready {
		n.status = record.StepPending
		return
	}
	if n.rec == nil {
		if ended {
			n.settle(record.StepSkipped)
			n.ended = true
			return
		}
		if m.skipped(s, n) {
			return
		}
	}
	if n.inFlight {
		n.status = record.StepRunning
		m.watchTimeout(s, n, v, p)
		return
	}
	switch s.Type {
	case workflow.Transform:
		m.transform(s, n)
	case workflow.Wait:
		m.wait(s, n, v, p)
	case workflow.Callback:
		m.callback(s, n, v, p)
	default:
		m.call(s, n, v, p)
	}
}

// needs reports whether everything the step waits for is over, and whether
// one of those ended the branch.
func (m *Machine) needs(s *workflow.Step) (ready, ended bool) {
	for _, i := range s.Needs {
		n := &m.nodes[i]
		if !n.settled || (n.status != record.StepSucceeded && n.status != record.StepSkipped) {
			return false, false
		}
		ended = ended || n.ended
	}
	return true, ended
}

// skipped evaluates `when` and settles the step if it says no, or fails.
func (m *Machine) skipped(s *workflow.Step, n *node) bool {
	if s.When == nil {
		return false
	}
	yes, err := evaluate(m, s.ID+".when", s.When, m.env)
	switch {
	case err != nil:
		n.fail(err)
	case !yes:
		n.settle(record.StepSkipped)
		n.ended = s.SkipDependents
	default:
		return false
	}
	return true
}

func (n *node) settle(as record.StepStatus) { n.status, n.settled = as, true }

func (n *node) fail(e *record.Error) {
	n.err = e
	n.settle(record.StepFailed)
}

// settleFrom takes the outcome from the record.
func (m *Machine) settleFrom(n *node) {
	switch n.rec.State {
	case record.Done:
		n.output = n.rec.Body.Output
		n.settle(record.StepSucceeded)
	case record.Abandoned:
		n.err = n.rec.Body.Error
		n.settle(record.StepCancelled)
	default:
		n.fail(n.rec.Body.Error)
	}
}

func (m *Machine) transform(s *workflow.Step, n *node) {
	out, err := evaluate(m, s.ID+".output", s.Value, m.env)
	if err != nil {
		n.fail(err)
		return
	}
	n.value, n.decoded = out, true
	n.settle(record.StepSucceeded)
}

// wait writes its due once; past it, it counts as done.
func (m *Machine) wait(s *workflow.Step, n *node, v View, p *Plan) {
	if n.rec == nil {
		due, err := m.waitEnd(s, v.Now)
		if err != nil {
			p.Writes = append(p.Writes, m.broken(s, nil, v.Now, err))
			return
		}
		n.status = record.StepWaiting
		p.Writes = append(p.Writes, &record.Step{ID: s.ID, State: record.Open, Count: 1, Due: due, For: record.ForTimer, First: v.Now})
		return
	}
	if n.rec.Due <= v.Now {
		n.settle(record.StepSucceeded)
		return
	}
	p.wait(n, s, "wait", n.rec.Due, v.Now)
}

func (m *Machine) waitEnd(s *workflow.Step, now int64) (int64, *record.Error) {
	t, where := s.Duration, ".duration"
	if t == nil {
		t, where = s.Until, ".until"
	}
	got, fault := evaluate(m, s.ID+where, t, m.env)
	if fault != nil {
		return 0, fault
	}
	text, _ := got.(string)
	if s.Duration != nil {
		d, err := workflow.ParseDuration(text)
		if err != nil || d < 0 || d > workflow.MaxTimeout {
			return 0, invalid(s.ID+where, `must be a duration such as "90s", at most 365d`)
		}
		return now + d.Milliseconds(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, invalid(s.ID+where, `must be an RFC 3339 time such as "2030-01-31T08:00:00Z"`)
	}
	return at.UnixMilli(), nil
}

// callback succeeds with the payload once its signal has come; until then it
// announces itself, if it has a request, and waits.
func (m *Machine) callback(s *workflow.Step, n *node, v View, p *Plan) {
	if mark, come := v.Marks[s.ID]; come && mark.Decision == "" {
		done := m.next(s, n.rec, v.Now)
		done.State = record.Done
		done.Body.Output = mark.Body
		p.Writes = append(p.Writes, done)
		n.status = record.StepWaiting
		return
	}
	if n.rec == nil && s.Request == nil {
		n.status = record.StepWaiting
		p.Writes = append(p.Writes, m.armed(s, nil, v.Now))
		return
	}
	if n.rec == nil || n.rec.For != record.ForCallback {
		m.call(s, n, v, p)
		return
	}
	if n.rec.Due != 0 && n.rec.Due <= v.Now {
		p.Writes = append(p.Writes, m.broken(s, n.rec, v.Now, timedOut(s)))
		n.status = record.StepWaiting
		return
	}
	p.wait(n, s, "callback", n.rec.Due, v.Now)
}

// armed is the record of a callback step that waits for its signal.
func (m *Machine) armed(s *workflow.Step, before *record.Step, now int64) *record.Step {
	r := m.next(s, before, now)
	r.State, r.For = record.Open, record.ForCallback
	if s.Timeout > 0 {
		r.Due = r.First + s.Timeout.Milliseconds()
	}
	return r
}

// call asks for an attempt when the step is due.
func (m *Machine) call(s *workflow.Step, n *node, v View, p *Plan) {
	if n.rec != nil && !m.mayCall(s, n, v, p) {
		return
	}
	n.status = record.StepPending // ready: shown as running under a live lease
	if v.NotBefore > v.Now {
		return
	}
	// An Express state machine's call is announced by an intent, so nothing is in
	// doubt without one.
	if !s.Idempotent && !s.Express && v.DoubtUntil > 0 && (n.rec == nil || n.rec.Due <= v.DoubtUntil) {
		p.Writes = append(p.Writes, m.unknown(s, n.rec, v.Now, "the worker calling this step died before the outcome was recorded"))
		p.Blocked = true
		n.status = record.StepWaiting
		return
	}
	request, err := m.request(s)
	if err != nil {
		p.Writes = append(p.Writes, m.broken(s, n.rec, v.Now, err))
		return
	}
	n.ready = true
	p.due(v.Now, v.Now)
	p.Calls = append(p.Calls, Call{Step: s, Request: request, Before: n.rec, Attempt: n.rec.Tried() + 1})
}

// mayCall decides on a step that was begun: whether its retry is due, its
// time is over, or an operator's word is awaited.
func (m *Machine) mayCall(s *workflow.Step, n *node, v View, p *Plan) bool {
	if end := stepEnd(s, n.rec); end != 0 && end <= v.Now {
		p.Writes = append(p.Writes, m.broken(s, n.rec, v.Now, timedOut(s)))
		n.status = record.StepWaiting
		return false
	}
	switch n.rec.For {
	case record.ForDecision:
		return m.decided(s, n, v, p)
	case record.ForIntent: // of a worker that is no more
		p.Writes = append(p.Writes, m.unknown(s, n.rec, v.Now, "the worker calling this step died before the outcome was recorded"))
		p.Blocked = true
		n.status = record.StepWaiting
		return false
	}
	if n.rec.Due > v.Now {
		p.wait(n, s, string(n.rec.For), n.rec.Due, v.Now)
		m.watchTimeout(s, n, v, p)
		return false
	}
	return true
}

// decided obeys an operator's decision on an unknown outcome, by a record of
// its own, so that it is obeyed once.
func (m *Machine) decided(s *workflow.Step, n *node, v View, p *Plan) bool {
	n.status = record.StepWaiting
	mark, come := v.Marks[s.ID]
	if !come || mark.Count != n.rec.Count || mark.Decision == "" {
		p.Blocked = true
		p.Waiting = append(p.Waiting, Wait{Step: s.ID, Reason: "unknown", Until: v.Deadline})
		return false
	}
	if mark.Decision == "failed" {
		p.Writes = append(p.Writes, m.broken(s, n.rec, v.Now, n.rec.Body.Error))
		return false
	}
	again := m.next(s, n.rec, v.Now)
	again.State, again.For, again.Due = record.Open, record.ForRetry, v.Now
	p.Writes = append(p.Writes, again)
	return false
}

func (m *Machine) request(s *workflow.Step) (any, *record.Error) {
	env := m.env
	if s.Type == workflow.Callback && m.link != nil {
		env = make(map[string]any, len(m.env)+1)
		for k, v := range m.env {
			env[k] = v
		}
		token, url := m.link(s.ID)
		env["callback"] = map[string]any{"token": token, "url": url}
	}
	return evaluate(m, s.ID+".request", s.Request, env)
}

// watchTimeout makes the end of a step's own timeout a thing to do.
func (m *Machine) watchTimeout(s *workflow.Step, n *node, v View, p *Plan) {
	if end := stepEnd(s, n.rec); end > v.Now {
		p.due(v.Now, end)
	}
}

// wait notes that the step waits.
func (p *Plan) wait(n *node, s *workflow.Step, reason string, until, now int64) {
	n.status = record.StepWaiting
	p.Waiting = append(p.Waiting, Wait{Step: s.ID, Reason: reason, Until: until})
	p.due(now, until)
}

// stepEnd is when a step that was begun runs out of time, 0 for never.
func stepEnd(s *workflow.Step, rec *record.Step) int64 {
	if s.Timeout == 0 || rec == nil || rec.First == 0 {
		return 0
	}
	return rec.First + s.Timeout.Milliseconds()
}

func timedOut(s *workflow.Step) *record.Error {
	return &record.Error{Category: string(retry.Timeout), Code: "step_timeout", Message: fmt.Sprintf("the step's timeout of %s passed", workflow.FormatDuration(s.Timeout))}
}

func invalid(where, want string) *record.Error {
	return &record.Error{Category: string(retry.Validation), Code: "value", Message: where + " " + want}
}
