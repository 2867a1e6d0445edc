package sqs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// How the SDK repeats a call; a message too many is harmless.
const (
	maxTries   = 4
	maxBackoff = 400 * time.Millisecond
	// tryTime is the most one try may take, a long poll's waiting aside.
	tryTime = 5 * time.Second
)

func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = maxTries, maxBackoff, ratelimit.None
	})
}

// errSilent is a try that had no answer in its time. The SDK may try again.
var errSilent error = silent{}

type silent struct{}

func (silent) Error() string        { return "no answer in time" }
func (silent) RetryableError() bool { return true }

// limitTries gives each try of a call half of the time that is left, so that a
// connection that went silent leaves time for another.
func limitTries(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("SteplineTries", try), "Retry", middleware.After)
}

func try(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	limit := tryTime
	if middleware.GetOperationName(ctx) == "ReceiveMessage" {
		limit += poll
	} else if at, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(at)/2)
	}
	tctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, meta, err := next.HandleFinalize(tctx, in)
	if err != nil && tctx.Err() != nil && ctx.Err() == nil {
		err = errSilent
	}
	return out, meta, err
}

// busy are the codes of calls that SQS did not take on.
var busy = map[string]bool{
	"RequestThrottled": true, "ThrottlingException": true, "Throttling": true,
	"OverLimit": true, "KmsThrottled": true, "TooManyRequestsException": true,
}

// unsent turns a call's error into the port's.
func unsent(err error) error {
	var api smithy.APIError
	var response *awshttp.ResponseError
	var dial *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(err, &response) && response.HTTPStatusCode() >= 500:
		return because(queue.ErrUnknown, err)
	case errors.As(err, &api) && busy[strings.TrimPrefix(api.ErrorCode(), "AWS.SimpleQueueService.")]:
		return because(queue.ErrBusy, err)
	case errors.As(err, &api):
		return &queueError{text: "queue: " + said(err), cause: err}
	case errors.As(err, &dial) && dial.Op == "dial", errors.As(err, &name):
		return because(queue.ErrBusy, err)
	}
	return because(queue.ErrUnknown, err)
}

// refused is what became of one message of a batch.
func refused(e *types.BatchResultErrorEntry) error {
	text := aws.ToString(e.Code) + ": " + aws.ToString(e.Message)
	switch {
	case !e.SenderFault, busy[aws.ToString(e.Code)]:
		return fmt.Errorf("%w (%s)", queue.ErrBusy, text)
	}
	return errors.New("queue: SQS refused the message: " + text)
}

// stale tells that a receipt is no longer the message's: it was acknowledged,
// or has come back and was received by another.
func stale(err error) bool {
	var gone *types.MessageNotInflight
	var bad *types.ReceiptHandleIsInvalid
	if errors.As(err, &gone) || errors.As(err, &bad) {
		return true
	}
	var api smithy.APIError
	return errors.As(err, &api) && strings.HasSuffix(api.ErrorCode(), "InvalidParameterValue") &&
		strings.Contains(api.ErrorMessage(), "does not exist")
}

func because(port, err error) error { return fmt.Errorf("%w (%s)", port, said(err)) }

type queueError struct {
	text  string
	cause error
}

func (e *queueError) Error() string { return e.text }
func (e *queueError) Unwrap() error { return e.cause }

// said is the words of SQS in one line: code, message and request id.
func said(err error) string {
	text := err.Error()
	var api smithy.APIError
	var op *smithy.OperationError
	switch {
	case errors.As(err, &api):
		text = api.ErrorCode() + ": " + api.ErrorMessage()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errSilent):
		text = "no answer in time"
	case errors.Is(err, context.Canceled):
		text = "the caller has given up"
	}
	if errors.As(err, &op) {
		text = "SQS " + op.OperationName + ": " + text
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.ServiceRequestID() != "" {
		text += ", request " + response.ServiceRequestID()
	}
	return strings.Join(strings.Fields(text), " ")
}
