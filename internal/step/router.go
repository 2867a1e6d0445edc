package step

import (
	"context"

	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// stepFunctionsType is the type of the steps that Step Functions runs.
const stepFunctionsType = "stepfunctions"

// Router makes each call by what its step's type needs.
type Router struct {
	HTTP Caller
	// StateMachines calls AWS; nil: steps of that type fail.
	StateMachines *StateMachines
}

var (
	_ Caller  = Router{}
	_ Stopper = Router{}
)

// Call makes one attempt.
func (r Router) Call(ctx context.Context, c Call) Result {
	switch {
	case c.Type != stepFunctionsType:
		return r.HTTP.Call(ctx, c)
	case r.StateMachines == nil:
		return Result{Err: &Error{
			Category: retry.Validation, Code: "no_aws",
			Message: "no AWS region is configured here, so no state machine can be called; set AWS_REGION",
		}}
	}
	return r.StateMachines.Call(ctx, c)
}

// Stop ends what a call may have begun.
func (r Router) Stop(ctx context.Context, c Call) error {
	if c.Type != stepFunctionsType || r.StateMachines == nil {
		return nil
	}
	return r.StateMachines.Stop(ctx, c)
}
