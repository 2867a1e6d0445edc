package engine

import (
	"encoding/json"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// View is what changes from one look to the next.
type View struct {
	Now       int64 // Unix ms, as are all times here
	NotBefore int64 // delayed start; 0 for none
	Deadline  int64
	Cancel    bool
	Pause     bool
	Marks     map[string]Mark // signals that have come, by step

	// DoubtUntil is set on the first look after a takeover: the end of the
	// lease that was lost. A step with `idempotent: false` that could have been
	// called under that lease is not called again by itself. 0: nothing is in
	// doubt.
	DoubtUntil int64
}

// Mark is a signal that has come for a step.
type Mark struct {
	// Decision settles a step whose outcome is unknown: "again" or "failed";
	// "" for a callback. It holds for the record with this Count only, so that
	// it is obeyed once.
	Decision string
	Count    int64
	// Body is the callback's payload, At when it came.
	Body json.RawMessage
	At   int64
}

// Plan is what to do next. With Finish set and nothing in flight the
// execution ends. Otherwise the Writes are made before the Calls; with neither
// and nothing in flight the lease is released until Next.
type Plan struct {
	Writes  []*record.Step
	Calls   []Call
	Finish  *Finish
	Blocked bool  // nothing new may start: paused, or an outcome is unknown
	Next    int64 // the earliest time at which there is something to do
	Waiting []Wait
}

// Call is one attempt to be made.
type Call struct {
	Step    *workflow.Step
	Request any          // evaluated
	Before  *record.Step // the record so far, nil for none
	Attempt int          // 1 for the first
}

// Finish is the end of a run.
type Finish struct {
	Status record.Status
	Output json.RawMessage // of a succeeded one; nil is null
	Error  *record.Error
}

// Wait names what an execution waits for.
type Wait struct {
	Step   string
	Reason string // start, retry, wait, callback, poll, unknown, paused
	Until  int64  // 0: no end of its own
}

// Info is what expressions read as `execution`.
type Info struct {
	ID        string
	Workflow  string
	Version   int
	Run       int
	CreatedAt string // RFC 3339
}
