package queue

import (
	"context"
	"errors"
	"time"
)

// Lane names one queue.
type Lane string

// The lanes. High, Normal and Low differ in priority only; Solo runs one
// execution per invocation, for takeovers and long attempts; Dead catches what
// was received too often.
const (
	High   Lane = "high"
	Normal Lane = "normal"
	Low    Lane = "low"
	Solo   Lane = "solo"
	Dead   Lane = "dead"
)

// Limits of the port (SQS quotas).
const (
	MaxBatch = 10
	MaxDelay = 15 * time.Minute
)

// ErrBusy: the queue refused for now; the message was not sent.
var ErrBusy = errors.New("queue: busy, the message was not sent")

// ErrUnknown: the reply was lost; the message may have been sent.
var ErrUnknown = errors.New("queue: no answer, the message may have been sent")

// Message is what is sent.
type Message struct {
	Body  []byte
	Lane  Lane
	Delay time.Duration // 0 to MaxDelay, whole seconds; a fraction is rounded up
	Group string        // fair-queue group, usually the tenant; "" for none
}

// Delivery is one receipt of a message.
type Delivery struct {
	ID       string // the message's id, the same on every delivery of it
	Body     []byte
	Receives int // 1 on the first delivery; on Dead it may go on from before
	Sent     time.Time
	Lane     Lane
	// Receipt is the driver's handle of this one receipt.
	Receipt string
	// Done reports this delivery before its batch has ended: ok acknowledges
	// it, otherwise it comes back. The first report counts, whatever the
	// handler returns or how it ends. Only an embedded pump offers it; nil where
	// a batch is answered as a whole, as on Lambda.
	Done func(ok bool)
}

// Handler works on a batch and returns the ids of the deliveries that failed
// and must come back (partial batch failure); of those that it has not reported
// by Done, the others are acknowledged. Its context carries the invocation's
// deadline.
type Handler func(ctx context.Context, ds []Delivery) (failed []string)

// Queue sends. Implementations are safe for concurrent use.
type Queue interface {
	// Send sends at most MaxBatch messages and answers one result each, in
	// order; a nil error means that the message is durable.
	Send(ctx context.Context, ms []Message) []error
	// Extend sets the delivery's remaining invisibility, counted from now. A
	// delivery that is no longer in flight under this receipt is left alone.
	Extend(ctx context.Context, d Delivery, visibility time.Duration) error
	// Depth counts a lane's messages. Approximate on AWS.
	Depth(ctx context.Context, l Lane) (visible, inFlight, delayed int, err error)
}

// Pump feeds a handler from one lane until its context ends, then waits for
// the batches in hand. Embedded and stand-ins only; on AWS Lambda is the pump.
type Pump interface {
	Run(ctx context.Context, h Handler) error
}
