package history

import (
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
)

// summary is an execution as its META alone tells it: without input, output,
// steps and what its steps wait for.
func summary(m *record.Meta, now time.Time) Execution {
	e := Execution{
		ID: m.ID, Workflow: m.Workflow, Version: m.Version, Run: m.Run,
		Status: m.Status, Priority: m.Priority, Tags: m.Tags,
		CreatedAt: m.Created, StartedAt: unixMilli(m.Started), EndedAt: unixMilli(m.Ended),
		Deadline: time.UnixMilli(m.Deadline).UTC(), WaitingFor: []Wait{},
	}
	if e.Tags == nil {
		e.Tags = map[string]string{}
	}
	if m.Error != nil {
		e.Error = &Error{Category: m.Error.Category, Code: m.Error.Code, Message: m.Error.Message, Step: m.Error.Step}
	}
	switch {
	case m.Status == record.Paused:
		e.WaitingFor = append(e.WaitingFor, Wait{Reason: "paused"})
	case !m.Status.Terminal() && m.NotBefore > now.UnixMilli():
		e.WaitingFor = append(e.WaitingFor, Wait{Reason: "start", Until: unixMilli(m.NotBefore)})
	}
	return e
}

// unixMilli is the time, nil for 0.
func unixMilli(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}
