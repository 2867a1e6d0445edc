package history

import (
	"encoding/json"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
)

// Execution is an execution as the API shows it.
type Execution struct {
	ID         string            `json:"id"`
	Workflow   string            `json:"workflow"`
	Version    int               `json:"version"`
	Run        int               `json:"run"`
	Status     record.Status     `json:"status"`
	Priority   string            `json:"priority"`
	Tags       map[string]string `json:"tags"`
	CreatedAt  time.Time         `json:"createdAt"`
	StartedAt  *time.Time        `json:"startedAt"`
	EndedAt    *time.Time        `json:"endedAt"`
	Deadline   time.Time         `json:"deadline"`
	Input      json.RawMessage   `json:"input,omitempty"`
	Output     json.RawMessage   `json:"output"`
	Error      *Error            `json:"error"`
	WaitingFor []Wait            `json:"waitingFor"`
	Steps      []Step            `json:"steps,omitempty"`
	Cost       *Cost             `json:"cost,omitempty"`
}

// Wait names what an execution waits for and when that ends by itself.
type Wait struct {
	Step   string     `json:"step,omitempty"`
	Reason string     `json:"reason"` // start, retry, wait, callback, poll, unknown, paused
	Until  *time.Time `json:"until"`
	URL    string     `json:"url,omitempty"` // of a callback
}

// Step is a step as the API shows it.
type Step struct {
	ID       string            `json:"id"`
	Type     string            `json:"type"`
	Status   record.StepStatus `json:"status"`
	Output   json.RawMessage   `json:"output"`
	Error    *Error            `json:"error"`
	Attempts []Attempt         `json:"attempts"`
	// StartedAt is when the step began: its first attempt, its wait. EndedAt is
	// the end of its last attempt or of its wait. Nil where nothing is stored,
	// as of steps that only compute.
	StartedAt *time.Time `json:"startedAt,omitempty"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
}

// Attempt is one try of a step.
type Attempt struct {
	N         int        `json:"n"`
	StartedAt time.Time  `json:"startedAt"`
	EndedAt   *time.Time `json:"endedAt"`
	Outcome   string     `json:"outcome"`
	Category  string     `json:"category,omitempty"`
	Message   string     `json:"message,omitempty"`
	Delay     string     `json:"delay,omitempty"`
}

// Error is why a step or an execution failed.
type Error struct {
	Category string `json:"category"`
	Code     string `json:"code,omitempty"`
	Message  string `json:"message"`
	Step     string `json:"step,omitempty"`
}

// Cost is what an execution used so far, in DynamoDB's units.
type Cost struct {
	WriteUnits float64 `json:"writeUnits"`
	ReadUnits  float64 `json:"readUnits"`
}
