package step

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// runExpress runs an Express state machine to its end. The SDK must not repeat
// the call.
func (s *StateMachines) runExpress(ctx context.Context, c Call, m machine) Result {
	name := executionName(c, 0)
	var d departure
	out, err := s.api.StartSyncExecution(ctx, &sfn.StartSyncExecutionInput{
		StateMachineArn: &m.arn, Name: &name, Input: &m.input,
	}, d.watch, func(o *sfn.Options) { o.Retryer = aws.NopRetryer{} })
	switch {
	case err != nil:
		return Result{Err: callError(ctx, "StartSyncExecution", &d, err)}
	case out.Status == types.SyncExecutionStatusSucceeded:
		return outcome(aws.ToString(out.Output))
	}
	return Result{Err: executionError(types.ExecutionStatus(out.Status), aws.ToString(out.Error))}
}

// outcome is the result of an execution that has succeeded.
func outcome(output string) Result {
	if output == "" {
		return Result{}
	}
	if err := expr.Check([]byte(output)); err != nil {
		why := "is not JSON"
		var beyond *expr.Error
		if errors.As(err, &beyond) {
			why = "cannot be read here, " + beyond.Message
		}
		return Result{Err: &Error{Category: retry.Validation, Code: "answer_not_json", Message: "the state machine's output " + why + "; its effect has happened"}}
	}
	return Result{Output: json.RawMessage(output)}
}

// executionError is why an execution has not succeeded. The cause that
// Step Functions gives may hold anything, so only the error's name is shown.
func executionError(status types.ExecutionStatus, name string) *Error {
	e := &Error{Category: retry.ClientError, Code: "failed", Message: "the state machine's execution failed", Answered: true}
	switch status {
	case types.ExecutionStatusTimedOut:
		e.Category, e.Code, e.Message = retry.Timeout, "timed_out", "the state machine's execution ran out of time"
	case types.ExecutionStatusAborted:
		e.Category, e.Code, e.Message = retry.Cancelled, "aborted", "the state machine's execution was stopped"
	}
	if name = visible(name); name != "" {
		e.Code = name
		e.Message += " with " + name
	}
	return e
}

// visible keeps an error's name from being anything but a name.
func visible(name string) string {
	const most = 80
	if len(name) > most {
		name = name[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < '!' || r > '~' {
			return -1
		}
		return r
	}, name)
}

func asError[T error](err error, target *T) bool { return errors.As(err, target) }

// byCode are the categories of the service's refusals. What is refused has had
// no effect.
var byCode = map[string]retry.Category{
	"ExecutionLimitExceeded": retry.RateLimited, "ThrottlingException": retry.RateLimited, "KmsThrottlingException": retry.RateLimited,
	"StateMachineDoesNotExist": retry.NotFound, "ExecutionDoesNotExist": retry.NotFound,
	"StateMachineDeleting": retry.Conflict, "ConflictException": retry.Conflict,
	"InvalidArn": retry.Validation, "InvalidExecutionInput": retry.Validation, "InvalidName": retry.Validation,
	"ValidationException": retry.Validation, "StateMachineTypeNotSupported": retry.Validation,
	"AccessDeniedException": retry.Auth, "UnrecognizedClientException": retry.Auth, "ExpiredTokenException": retry.Auth,
	"InvalidSignatureException": retry.Auth, "MissingAuthenticationTokenException": retry.Auth,
	"KmsAccessDeniedException": retry.Auth, "KmsInvalidStateException": retry.Conflict,
}

// late reports whether whoever was asked took too long.
func late(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// callError is why a call of the API failed. Texts of the service are not
// passed on: they quote ARNs, inputs and identities.
func callError(ctx context.Context, operation string, d *departure, err error) *Error {
	say := func(c retry.Category, code, why string, unclear bool) *Error {
		return &Error{Category: c, Code: code, Message: "Step Functions: " + operation + ": " + why, Unclear: unclear}
	}
	code := refusal(err)
	var answered *awshttp.ResponseError
	switch {
	case byCode[code] != "":
		return say(byCode[code], code, "refused with "+code, false)
	case errors.As(err, &answered) && answered.HTTPStatusCode() >= 500:
		return say(retry.Upstream, fmt.Sprint(answered.HTTPStatusCode()), "it has trouble of its own", d.sent)
	case errors.As(err, &answered) && answered.HTTPStatusCode() >= 400:
		return say(retry.FromHTTP(answered.HTTPStatusCode()), fmt.Sprint(answered.HTTPStatusCode()), "refused", false)
	case errors.Is(ctx.Err(), context.Canceled):
		return say(retry.Cancelled, "cancelled", "the call was cancelled", d.sent)
	case ctx.Err() != nil:
		return say(retry.Timeout, "timeout", "no answer in time", d.sent)
	case d.sent:
		return say(retry.Network, "network", "no answer came", true)
	case d.tried || unreached(err) || late(err): // the service, or what gives us credentials
		return say(retry.Network, "connect", "no connection could be made, so nothing was called", false)
	}
	return say(retry.Auth, "credentials", "no AWS credentials could be had to sign it, so nothing was called", false)
}
