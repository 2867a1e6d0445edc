package dynamodb

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// How the SDK repeats a call. The runner repeats what comes back as busy or
// unknown, so the SDK only bridges moments.
const (
	maxTries   = 4
	maxBackoff = 400 * time.Millisecond
	// tryTime is the most one try may take; DynamoDB answers in milliseconds.
	tryTime = 3 * time.Second
)

// retryer is the SDK's standard one without its quota: whether the work goes
// on is the runner's to decide.
func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = maxTries, maxBackoff, ratelimit.None
	})
}

// tries is what became of one call's tries.
type tries struct {
	unclear atomic.Bool // one of them may have been applied
}

type triesKey struct{}

// watched returns a context whose one call is watched.
func watched(ctx context.Context) (context.Context, *tries) {
	t := &tries{}
	return context.WithValue(ctx, triesKey{}, t), t
}

// errSilent is a try that had no answer in its time. The SDK may try again.
var errSilent error = silent{}

type silent struct{}

func (silent) Error() string        { return "no answer in time" }
func (silent) RetryableError() bool { return true }

// watchTries adds to the client's calls what looks at each of their tries.
func watchTries(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("SteplineTries", try), "Retry", middleware.After)
}

func try(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, meta middleware.Metadata, err error) {
	t, _ := ctx.Value(triesKey{}).(*tries)
	limit := tryTime
	if at, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(at)/2)
	}
	tctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, meta, err = next.HandleFinalize(tctx, in)
	if t != nil && err != nil && !harmless(err) {
		t.unclear.Store(true)
	}
	if err != nil && tctx.Err() != nil && ctx.Err() == nil {
		err = errSilent
	}
	return out, meta, err
}

// harmless tells that a failed try cannot have been applied: the store has refused
// it, or it was not reached.
func harmless(err error) bool {
	var dial *net.OpError
	var name *net.DNSError
	if errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &name) {
		return true
	}
	var response *smithyhttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() >= 400 && response.HTTPStatusCode() < 500
}
