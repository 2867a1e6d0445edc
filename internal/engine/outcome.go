package engine

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Result is how an attempt ended. Err nil: it succeeded.
type Result struct {
	Start, End int64 // Unix ms
	Output     json.RawMessage
	Response   json.RawMessage
	Err        *record.Error
	RetryAfter time.Duration
	Unclear    bool // the effect may have happened although there was an error

	Again time.Duration   // the attempt goes on elsewhere, and is looked at after this
	State json.RawMessage // to hand to the next call of the step
	Began int64           // of the attempt, where it was in an earlier call; else 0
}

// Outcome is the record an attempt leads to: its outcome, or the open record
// of a retry, an armed callback, or an effect that nobody knows.
func (m *Machine) Outcome(c Call, r Result, rnd *rand.Rand) *record.Step {
	rec := m.next(c.Step, c.Before, r.Start)
	attempt := record.Attempt{Start: r.Start, End: r.End, Outcome: "succeeded"}
	if r.Began != 0 {
		attempt.Start = r.Began
	}
	rec.Body.State = r.State
	if r.Again > 0 { // no attempt ends, so none is counted
		rec.State, rec.For, rec.Due = record.Open, record.ForPoll, r.End+r.Again.Milliseconds()
		return rec
	}
	if r.Err == nil {
		rec.AddAttempt(attempt)
		rec.Body.Response = r.Response
		if c.Step.Type == workflow.Callback {
			armed := m.armed(c.Step, rec, r.Start)
			armed.Count = rec.Count
			return armed
		}
		rec.State, rec.Body.Output, rec.Body.State = record.Done, r.Output, nil
		return rec
	}
	e := r.Err.Clip()
	attempt.Outcome, attempt.Category, attempt.Message = "failed", e.Category, e.Message
	rec.Body.Error, rec.Body.Response = e, nil
	switch {
	case e.Category == string(retry.Cancelled):
		attempt.Outcome = "cancelled"
		rec.State, rec.For = record.Abandoned, ""
	case r.Unclear && !c.Step.Idempotent:
		rec.AddAttempt(attempt)
		unknown := m.unknown(c.Step, rec, r.End, "the call ended without a clear answer: "+e.Message)
		unknown.Count = rec.Count
		return unknown
	default:
		delay, again := c.Step.Retry.Next(c.Attempt, retry.Category(e.Category), r.RetryAfter, rnd)
		due := r.End + delay.Milliseconds()
		if end := stepEnd(c.Step, rec); again && end != 0 && due >= end {
			again = false // its time would be over before the next attempt
		}
		rec.State = record.Broken
		if again {
			rec.State, rec.For, rec.Due = record.Open, record.ForRetry, due
			attempt.Delay = delay.Milliseconds()
		}
	}
	rec.AddAttempt(attempt)
	return rec
}

// Intent is the record to be made before a call that can neither be repeated
// nor looked at afterwards; nil where none is needed. A worker that finds it
// knows that the call may have been made.
func (m *Machine) Intent(c Call, now int64) *record.Step {
	if !c.Step.Express || c.Step.Idempotent {
		return nil
	}
	rec := m.next(c.Step, c.Before, now)
	rec.State, rec.For = record.Open, record.ForIntent
	return rec
}

// next is the successor of a record, open or not yet decided.
func (m *Machine) next(s *workflow.Step, before *record.Step, now int64) *record.Step {
	if before == nil {
		return &record.Step{ID: s.ID, Count: 1, First: now}
	}
	r := *before
	r.Count++
	r.Due, r.For, r.Owner = 0, "", ""
	if r.First == 0 {
		r.First = now
	}
	return &r
}

// broken is the record of a step that failed for good.
func (m *Machine) broken(s *workflow.Step, before *record.Step, now int64, e *record.Error) *record.Step {
	r := m.next(s, before, now)
	r.State = record.Broken
	r.Body.Error = e
	return r
}

// unknown is the record of a step whose effect may or may not have happened.
func (m *Machine) unknown(s *workflow.Step, before *record.Step, now int64, why string) *record.Step {
	r := m.next(s, before, now)
	r.State, r.For = record.Open, record.ForDecision
	r.Body.Error = (&record.Error{Category: string(retry.Unknown), Code: "unknown", Message: why}).Clip()
	return r
}
