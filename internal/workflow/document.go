package workflow

import (
	"time"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// Limits and defaults of a document (README, Limits).
const (
	DefaultAttemptTimeout = 30 * time.Second
	MaxAttemptTimeout     = 14 * time.Minute
	DefaultTimeout        = 30 * 24 * time.Hour
	MaxTimeout            = 365 * 24 * time.Hour
	// MaxExpress is the longest that an Express state machine runs.
	MaxExpress  = 5 * time.Minute
	MaxSteps    = 500
	MaxDocument = 300 << 10
)

// Type is a step's type.
type Type string

// The step types of this version.
const (
	HTTP      Type = "http"
	Transform Type = "transform"
	Wait      Type = "wait"
	Callback  Type = "callback"
	Webhook   Type = "webhook"

	StepFunctions Type = "stepfunctions"
)

// calls reports whether steps of this type call something.
func (t Type) calls() bool { return t == HTTP || t == Callback || t == Webhook || t == StepFunctions }

// Document is a parsed, validated workflow document. It is immutable.
type Document struct {
	Name    string
	Vars    map[string]any
	Timeout time.Duration  // of an execution; never 0
	Steps   []*Step        // in document order
	Order   []int          // a topological order of Steps, stable
	Output  *expr.Template // nil: the execution's output is null

	schema   *schema // of the input; nil accepts anything
	source   []byte
	byID     map[string]int
	warnings []Fault
}

// Step is one node of the DAG.
type Step struct {
	Index          int // in Document.Steps
	ID             string
	Type           Type
	Needs          []int // indexes of the steps it waits for
	When           *expr.Condition
	SkipDependents bool
	Timeout        time.Duration // the step with all its retries; 0: none
	AttemptTimeout time.Duration // never 0 for a step that calls something
	Retry          retry.Policy
	Idempotent     bool // default true; false: never called again after an unclear end

	// Request is what to call: http, webhook, and callback where it announces
	// its URL (nil there: nothing is called). It evaluates to an object with
	// method, url, headers, query and body; of stepfunctions with stateMachine,
	// input and express.
	Request *expr.Template
	// Express: a stepfunctions step that runs an Express state machine in one
	// call, which can neither be repeated nor looked at afterwards.
	Express bool
	// Auth authenticates the call; nil: nothing does.
	Auth *Auth
	// Sign signs the call of a webhook step; nil for any other type.
	Sign *Signature
	// Value is a transform's output.
	Value *expr.Template
	// Duration and Until are a wait's end, exactly one of them set: a duration
	// ("90s") or an RFC 3339 time once evaluated.
	Duration, Until *expr.Template

	payload *schema // of a callback's body; nil accepts anything
}

// Pure reports whether the step is re-evaluated instead of checkpointed.
func (s *Step) Pure() bool { return s.Type == Transform }

// Source is the document as canonical JSON: what is stored and compared.
func (d *Document) Source() []byte { return d.source }

// Step is the step with this id, nil when there is none.
func (d *Document) Step(id string) *Step {
	if i, ok := d.byID[id]; ok {
		return d.Steps[i]
	}
	return nil
}

// Fault is one thing wrong with a document, an input or a payload.
type Fault struct {
	Pointer string `json:"pointer"` // RFC 6901, into what was given
	Detail  string `json:"detail"`  // a sentence that says what would be right
}

// Faults is every fault at once; never empty as an error.
type Faults []Fault

func (f Faults) Error() string {
	if len(f) == 0 {
		return "no faults"
	}
	return f[0].Pointer + ": " + f[0].Detail
}

// SyntaxError says that a document cannot be read at all; Detail names line and
// column where there is a place to name.
type SyntaxError struct{ Detail string }

func (e *SyntaxError) Error() string { return e.Detail }
