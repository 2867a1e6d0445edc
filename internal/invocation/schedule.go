package invocation

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambda"
)

// scheduled marks the events of an EventBridge rule with a schedule.
const scheduled = "Scheduled Event"

// Schedule calls f for each event of a schedule, and for the empty event {},
// with which a person calls by hand. An error of f fails the invocation. Any
// other event fails it too: a function that is called every minute and does
// nothing must be seen.
func Schedule(f func(context.Context) error, log *slog.Logger) lambda.Handler {
	return &scheduleAdapter{f, log}
}

type scheduleAdapter struct {
	call func(context.Context) error
	log  *slog.Logger
}

func (a *scheduleAdapter) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	ctx, _, end := begin(ctx)
	defer end()
	var e map[string]json.RawMessage
	err := json.Unmarshal(payload, &e)
	if err != nil || e == nil || len(e) > 0 && string(e["detail-type"]) != `"`+scheduled+`"` {
		err = errors.New("the event is no schedule's")
	} else {
		err = a.call(ctx)
	}
	if err != nil {
		a.log.ErrorContext(ctx, "the scheduled call failed", slog.Any("error", err))
		return nil, err
	}
	return []byte("null"), nil
}
