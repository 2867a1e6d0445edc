package wiring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// Wiring is what the template declares, checked: every name in it exists.
type Wiring struct {
	Functions    []Function // in the template's order
	Routes       []Route
	FunctionURLs []string // ids of the functions that have one
	Lanes        map[queue.Lane]Lane
	Schedules    []Schedule
}

// Function is one Lambda function.
type Function struct {
	ID      string            // logical id: WorkerFunction
	Name    string            // its Handler: worker
	Timeout time.Duration     // of one invocation
	Memory  int               // in MB
	Env     map[string]string // literal variables only; what AWS fills in is left out
}

// Route is one route of the HTTP API.
type Route struct {
	Method    string // upper case
	Path      string // with {names}
	Operation string // the event's id: PostExecutions
	Function  string // name of the function: execute
	At        string // where the template says so, for messages
}

// Lane is one queue with its consumer.
type Lane struct {
	Queue        string // logical id: NormalQueue
	Consumer     string // name of the function: worker
	Batch        int
	Window       time.Duration
	Timeout      time.Duration // the consumer's
	Memory       int           // the consumer's, in MB
	Concurrency  int           // most invocations at once; 0: not limited
	Visibility   time.Duration
	Retention    time.Duration
	DeadLetter   queue.Lane // where MaxReceives leads; "" for the dead-letter lane itself
	MaxReceives  int        // 0 for the dead-letter lane itself
	consumerNode *yaml.Node
}

// Schedule is one regular invocation.
type Schedule struct {
	Function string // name: sweeper
	Every    time.Duration
}

// Error is one mistake in a template.
type Error struct {
	File     string
	Line     int    // 0: the file as a whole
	Resource string // logical id; "" for none
	Detail   string // a sentence that says what would be right
}

func (e *Error) Error() string {
	at := e.File
	if e.Line > 0 {
		at = fmt.Sprintf("%s:%d", at, e.Line)
	}
	if e.Resource != "" {
		at += ": " + e.Resource
	}
	return at + ": " + e.Detail
}

// Read reads the template in the file at path, with the defaults of its
// parameters. Errors are *Error.
func Read(path string) (*Wiring, error) { return ReadWith(path, nil) }

// ReadWith is Read with some parameters' values, as a deployment may have them.
func ReadWith(path string, parameters map[string]string) (*Wiring, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, &Error{File: path, Detail: fmt.Sprintf("cannot read the template: %v", err)}
	}
	return parse(path, src, parameters)
}

// Parse reads a template; name stands for the file in messages. Errors are
// *Error, the first in a fixed order when there are several.
func Parse(name string, src []byte) (*Wiring, error) { return parse(name, src, nil) }

func parse(name string, src []byte, parameters map[string]string) (*Wiring, error) {
	t, err := load(name, src, parameters)
	if err != nil {
		return nil, err
	}
	w := &Wiring{Lanes: map[queue.Lane]Lane{}}
	for _, read := range []func(*template, *Wiring) error{readQueues, readFunctions, checkLanes, checkFunctions, readVariables, checkVisibility, checkReferences} {
		if err := read(t, w); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Function is the first function with this name and whether there is one.
func (w *Wiring) Function(name string) (Function, bool) {
	for _, f := range w.Functions {
		if f.Name == name {
			return f, true
		}
	}
	return Function{}, false
}
