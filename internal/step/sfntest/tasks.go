package sfntest

import (
	"encoding/json"
	"time"
	"unicode/utf8"
)

// Task is a task that waits for its token to come back.
type Task struct {
	Opened    time.Time
	Timeout   time.Duration // 0: it waits for ever
	Heartbeat time.Duration // 0: it needs none
	Told      []Told        // what it was told before it was over
	beaten    time.Time
	closed    bool
}

// Told is one call about a task that was taken.
type Told struct {
	Operation            string // SendTaskSuccess, SendTaskFailure or SendTaskHeartbeat
	Output, Error, Cause string
	At                   time.Time
}

// OpenTask makes a task wait from now on.
func (f *Fake) OpenTask(token string, timeout, heartbeat time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tasks[token] = &Task{Opened: f.now(), Timeout: timeout, Heartbeat: heartbeat, beaten: f.now()}
}

// CloseTask ends a task from the other side: its state machine was stopped.
func (f *Fake) CloseTask(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tasks[token].closed = true
}

// Ends are the results that a task was told, one at most.
func (f *Fake) Ends(token string) (ends []Told) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tasks[token].Told {
		if t.Operation != "SendTaskHeartbeat" {
			ends = append(ends, t)
		}
	}
	return ends
}

// over reports whether nobody waits for the task any more.
func (f *Fake) over(t *Task) bool {
	late := t.Timeout > 0 && f.now().Sub(t.Opened) > t.Timeout || t.Heartbeat > 0 && f.now().Sub(t.beaten) > t.Heartbeat
	t.closed = t.closed || late
	return t.closed
}

// tell is the three calls about a task. Lengths are checked before anything else,
// a token that nobody has given away cannot be read, and one whose task is over
// says so.
func (f *Fake) tell(operation string, in map[string]any) any {
	told := Told{Operation: operation, Output: text(in, "output"), Error: text(in, "error"), Cause: text(in, "cause"), At: f.now()}
	token := text(in, "taskToken")
	switch n := utf8.RuneCountInString(token); {
	case n < 1 || n > 2048:
		return validation("taskToken")
	case len(told.Output) > 262144:
		return validation("output")
	case utf8.RuneCountInString(told.Error) > 256:
		return validation("error")
	case utf8.RuneCountInString(told.Cause) > 32768:
		return validation("cause")
	case operation == "SendTaskSuccess" && !json.Valid([]byte(told.Output)):
		return refusal{"InvalidOutput", "Invalid Output: 'Unexpected end of input'"}
	}
	t := f.tasks[token]
	if t == nil {
		return refusal{"InvalidToken", "Invalid Token: 'Invalid token'"}
	}
	if f.over(t) {
		return refusal{"TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'"}
	}
	t.Told, t.beaten = append(t.Told, told), f.now()
	t.closed = operation != "SendTaskHeartbeat"
	return map[string]any{}
}

func validation(member string) refusal {
	return refusal{"ValidationException", "1 validation error detected: Value at '" + member + "' failed to satisfy constraint"}
}
