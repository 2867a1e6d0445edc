package runner

import (
	"encoding/json"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// StartRequest asks for one execution.
type StartRequest struct {
	Tenant   string
	Workflow string
	Version  int             // 0: the live one
	Input    json.RawMessage // nil is null
	Priority queue.Lane      // "" is normal
	Tags     map[string]string
	Delay    time.Duration // before the first step may start
	Timeout  time.Duration // of the execution; 0: the document's
	// Key is the caller's idempotency key, "" for none: the same key starts
	// exactly one execution. Body is the SHA-256 of the raw request, which must
	// be the same whenever the key is.
	Key  string
	Body [32]byte
	// Source is set where Key is the id of an event that came from it: the keys
	// of each source are its own, and the same event with another body is still
	// the same event. Keep is how long the key counts; 0: a day.
	Source string
	Keep   time.Duration
	// Task waits in Step Functions for the execution's end; nil: none does.
	Task *TaskRequest
}

// TaskRequest names a task of Step Functions that waits for an execution.
type TaskRequest struct {
	Token string // a credential: never shown or logged
	// Heartbeat is how long Step Functions waits for a sign of life; 0: it waits
	// for none. From MinHeartbeat on.
	Heartbeat time.Duration
}

// MinHeartbeat is the least that can be kept: the sweeper, which gives the signs
// of life, comes each minute, and one of its invocations may be lost.
const MinHeartbeat = 3 * time.Minute

// Started names the execution a start made or found.
type Started struct {
	ID       string
	Workflow string
	Version  int
	Replayed bool // an earlier request with this key made it
	Ended    bool // it is over already; only ever true of a replay
	Differs  bool // a replay of a source's event, with another body
	Created  time.Time
	Deadline time.Time
}

// Decision settles a step whose outcome is unknown. The zero Decision is a
// plain resume.
type Decision struct {
	Step string
	As   string // Again or AsFailed
}

// What a Decision may say.
const (
	Again    = "again"  // call the step again, with the same key
	AsFailed = "failed" // take it for failed
)

// RetryRequest asks for another run of an ended execution.
type RetryRequest struct {
	// From is "failed" (the default: keep what succeeded), "start", or the id
	// of the step to begin at (it and everything downstream run again).
	From string
	Live bool // on the workflow's live version instead of the pinned one
	// Input replaces the input; nil keeps it.
	Input json.RawMessage
}
