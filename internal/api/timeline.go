package api

import (
	"slices"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Event is one thing that happened to an execution. Types: created, started,
// attempt_started, attempt_succeeded, attempt_failed, attempt_cancelled, waited
// (a wait step is over; At is its end), waiting (for what Reason says, since
// then), and succeeded, failed, cancelled or timed_out at the end.
type Event struct {
	At       time.Time  `json:"at"`
	Type     string     `json:"type"`
	Step     string     `json:"step,omitempty"`
	Attempt  int        `json:"attempt,omitempty"`
	Category string     `json:"category,omitempty"`
	Message  string     `json:"message,omitempty"`
	Delay    string     `json:"delay,omitempty"` // until the next attempt
	Reason   string     `json:"reason,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
}

// timeline tells an execution as events in the order of their times.
func timeline(x *history.Execution) []Event {
	events := []Event{{At: x.CreatedAt, Type: "created"}}
	if x.StartedAt != nil {
		events = append(events, Event{At: *x.StartedAt, Type: "started"})
	}
	for i := range x.Steps {
		events = appendAttempts(events, &x.Steps[i])
		events = appendWait(events, &x.Steps[i])
	}
	// What it waits for began when its step last did something.
	for _, w := range x.WaitingFor {
		events = append(events, Event{
			At: lastOf(events, w.Step), Type: "waiting", Step: w.Step, Reason: w.Reason, Until: w.Until,
		})
	}
	if x.EndedAt != nil {
		end := Event{At: *x.EndedAt, Type: string(x.Status)}
		if x.Error != nil {
			end.Step, end.Category, end.Message = x.Error.Step, x.Error.Category, x.Error.Message
		}
		events = append(events, end) // behind what has the same time
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	return events
}

func appendAttempts(events []Event, s *history.Step) []Event {
	for _, a := range s.Attempts {
		events = append(events, Event{At: a.StartedAt, Type: "attempt_started", Step: s.ID, Attempt: a.N})
		if a.EndedAt == nil {
			continue
		}
		events = append(events, Event{
			At: *a.EndedAt, Type: "attempt_" + a.Outcome, Step: s.ID, Attempt: a.N,
			Category: a.Category, Message: a.Message, Delay: a.Delay,
		})
	}
	return events
}

// appendWait tells of a wait that is over. One that goes on is among what the
// execution waits for.
func appendWait(events []Event, s *history.Step) []Event {
	since := waitedSince(s)
	if since == nil || !s.Status.Terminal() {
		return events
	}
	if s.Type == string(workflow.Callback) || s.EndedAt == nil { // when it came or was given up, no record says
		return append(events, Event{At: *since, Type: "waiting", Step: s.ID, Reason: s.Type})
	}
	return append(events,
		Event{At: *since, Type: "waiting", Step: s.ID, Reason: s.Type, Until: s.EndedAt},
		Event{At: *s.EndedAt, Type: "waited", Step: s.ID})
}

// waitedSince is when a step began to wait for a time or for its callback; nil
// when it did not. A callback that is announced is waited for from then on.
func waitedSince(s *history.Step) *time.Time {
	switch n := len(s.Attempts); {
	case s.Type != string(workflow.Wait) && s.Type != string(workflow.Callback):
		return nil
	case n == 0:
		return s.StartedAt
	case s.Attempts[n-1].Outcome == "succeeded":
		return s.Attempts[n-1].EndedAt
	}
	return nil
}

// lastOf is the time of a step's last event, or of the execution's last one
// where the step has none yet.
func lastOf(events []Event, step string) time.Time {
	var last, latest time.Time
	for _, e := range events {
		if e.Step == step && e.At.After(last) {
			last = e.At
		}
		if e.At.After(latest) {
			latest = e.At
		}
	}
	if last.IsZero() {
		return latest
	}
	return last
}
