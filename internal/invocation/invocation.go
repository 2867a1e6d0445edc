package invocation

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Margin is how long before the invocation's deadline a handler's context ends.
const Margin = time.Second

// requestKey names the invocation's id in the log, as Lambda's own lines do.
const requestKey = "requestId"

// current is the id of the invocation under way, nil between two.
var current atomic.Pointer[string]

// begin makes the context a handler gets. end must be called after it.
func begin(ctx context.Context) (_ context.Context, id string, end func()) {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		id = lc.AwsRequestID
	}
	current.Store(&id)
	cancel := context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-Margin))
	}
	return ctx, id, func() {
		cancel()
		current.Store(nil)
	}
}

// Logger is a logger that writes what l writes, with the id of the invocation
// under way in each line.
func Logger(l *slog.Logger) *slog.Logger { return slog.New(idHandler{l.Handler()}) }

type idHandler struct{ slog.Handler }

// Handle adds the id. The context's own goes first: only tests have more than
// one invocation under way.
func (h idHandler) Handle(ctx context.Context, r slog.Record) error {
	id := current.Load()
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		id = &lc.AwsRequestID
	}
	if id != nil && *id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String(requestKey, *id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h idHandler) WithAttrs(as []slog.Attr) slog.Handler { return idHandler{h.Handler.WithAttrs(as)} }
func (h idHandler) WithGroup(name string) slog.Handler    { return idHandler{h.Handler.WithGroup(name)} }
