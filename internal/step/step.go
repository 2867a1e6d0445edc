package step

import (
	"context"
	"encoding/json"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/secret"
	"github.com/seed-926d1ba8/stepline/internal/sign"
)

// Caller makes one attempt of a step. It never panics, returns when ctx ends,
// and never sends a request twice.
type Caller interface {
	Call(ctx context.Context, c Call) Result
}

// Stopper ends what a call may have begun elsewhere and nobody waits for any
// more. Stopping what has ended, or never began, is no error.
type Stopper interface {
	Stop(ctx context.Context, c Call) error
}

// Call is one attempt.
type Call struct {
	// Request is the evaluated request object of the step.
	Request any
	// Key is the stable idempotency key, <execution>/<step>.
	Key string
	// Traceparent is the W3C Trace Context header to send.
	Traceparent string
	Attempt     int // 1 for the first
	// Type is the step's type; "" is a call over HTTP.
	Type string
	// Run counts the runs of the execution, from 1.
	Run int
	// State is what the call before this one left in its Result.
	State json.RawMessage
	// Auth authenticates the call; nil: nothing does.
	Auth *Auth
	// Sign signs it, as a message whose id is Key; nil: nothing does.
	Sign *Sign
}

// Auth is how a call authenticates. Secret is the name of the token, password
// or value that goes along with it.
type Auth struct {
	Kind   string // bearer, basic or header
	User   string // of basic
	Header string // of header
	Secret string
}

// Sign is how a call is signed. Secret is the name of the key.
type Sign struct {
	Scheme *sign.Scheme
	Secret string
}

// Secrets finds the value of a secret at the moment it is used. An error names
// the secret, never its value; a *secret.MissingError is for good, any other
// may pass.
type Secrets interface {
	Resolve(ctx context.Context, name string) (string, error)
}

var _ Secrets = (*secret.Resolver)(nil)

// Result is how an attempt ended. Err nil: it succeeded.
type Result struct {
	Output   json.RawMessage // the decoded body as JSON; nil is null
	Response *Response
	Err      *Error
	// Again: what was begun goes on elsewhere, and is to be looked at after this
	// time, by a call with State. The attempt is not over.
	Again time.Duration
	// State is kept with the step while it has no outcome.
	State json.RawMessage
	// Began is when the attempt began, where that was in an earlier call.
	Began time.Time
}

// Response is what stands beside the output of a call over HTTP.
type Response struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"` // names lower-cased
}

// Error is why an attempt failed: a category for machines, a code, a sentence
// for people that holds no secret and no payload.
type Error struct {
	Category retry.Category `json:"category"`
	Code     string         `json:"code,omitempty"`
	Message  string         `json:"message"`
	// RetryAfter is the destination's wish for the delay before the next try;
	// 0 for none.
	RetryAfter time.Duration `json:"-"`
	// Unclear: the request may have reached the destination, so its effect may
	// have happened.
	Unclear bool `json:"-"`
	// Answered: the destination itself said so, in an answer that came whole.
	Answered bool `json:"-"`
}

func (e *Error) Error() string { return e.Message }
