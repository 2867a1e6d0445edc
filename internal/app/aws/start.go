package aws

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/invocation"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/queue/sqs"
	"github.com/seed-926d1ba8/stepline/internal/table/dynamodb"
	"github.com/seed-926d1ba8/stepline/internal/telemetry"
)

// patience is how long a starting function waits for what the table is like.
const patience = 2 * time.Second

// Start is how every function begins, given the name of its folder: configuration,
// services, a look at the table. The logger writes to out and names the invocation in each line. What
// keeps the function from working is one line of it, and the error.
func Start(ctx context.Context, function string, getenv func(string) string, out io.Writer, now func() time.Time) (*Cloud, *slog.Logger, error) {
	LimitMemory(getenv)
	c, err := FromEnv(function, getenv)
	log := invocation.Logger(telemetry.NewLogger(out, c.LogLevel))
	telemetry.TakeOver(log)
	if err != nil {
		return nil, log, refuse(ctx, log, err)
	}
	cloud, err := Open(ctx, c, now, log)
	if err != nil {
		return nil, log, refuse(ctx, log, err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch err := cloud.Table.Check(ctx); {
	case errors.Is(err, dynamodb.ErrUnchecked): // the first call that needs the table will say more
		log.WarnContext(ctx, "the function starts without a look at its table", slog.Any("error", err))
	case err != nil:
		return nil, log, refuse(ctx, log, err)
	}
	return cloud, log, nil
}

func refuse(ctx context.Context, log *slog.Logger, err error) error {
	log.ErrorContext(ctx, "the function does not start", slog.Any("error", err))
	return err
}

// Feed is a handler of messages for what Lambda takes from SQS.
func (c *Cloud) Feed(h queue.Handler) queue.Handler { return sqs.Decoded(h) }

// Lanes are the queues that may feed a function, by name.
func (c *Cloud) Lanes() invocation.Lanes { return invocation.LanesOf(c.config.Queues) }
