package functions_test

import (
	"context"
	"log/slog"
	"path"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/seed-926d1ba8/stepline/internal/invocation"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// leaseTable keeps the end of the last lease that was asked for.
type leaseTable struct {
	table.Table
	until *atomic.Int64
}

func (t leaseTable) Write(ctx context.Context, w table.Write) (table.Attrs, error) {
	if v, ok := w.Set[record.AtLease]; ok && v != table.Int(0) {
		t.until.Store(v.Int())
	}
	return t.Table.Write(ctx, w)
}

// TestLeaseEndsWithTheInvocation: Lambda's deadline becomes the lease's end, on
// the way through the adapter and the runner.
func TestLeaseEndsWithTheInvocation(t *testing.T) {
	t.Parallel()
	var n notes
	var until atomic.Int64
	services := embeddedOn(t, &n, func(inner table.Table) table.Table { return leaseTable{inner, &until} })
	var s story
	log := slog.New(slog.DiscardHandler)
	for _, name := range []string{"admin/put-workflow", "execute/start"} {
		if err := s.learn(name, invoke(t, handler(t, services, path.Dir(name), log), sample(t, name))); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(37 * time.Second)
	ctx, cancel := context.WithDeadline(lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r"}), deadline)
	defer cancel()
	if _, err := handler(t, services, "worker", log).Invoke(ctx, s.send(sample(t, "worker/start"))); err != nil {
		t.Fatal(err)
	}
	const grace = 5 * time.Second
	if want := deadline.Add(grace - invocation.Margin).UnixMilli(); until.Load() != want {
		t.Errorf("the lease ends %d ms from where it should", until.Load()-want)
	}
}
