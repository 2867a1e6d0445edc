package step

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"
)

// ErrTaskOver says that nobody waits for a task any more: it has timed out, was
// answered before, or never was.
var ErrTaskOver = errors.New("step: nobody waits for this task any more")

// MaxTaskOutput is the largest output that Step Functions takes, in bytes.
const MaxTaskOutput = 262144

// What it takes of a failure, in characters.
const (
	maxTaskError = 256
	maxTaskCause = 32768
)

// Tasks tells Step Functions how the tasks go that wait for executions of ours.
// Telling it twice is harmless: the second time it answers that the task is over.
// A token is a credential, so no error holds one.
type Tasks struct{ api *sfn.Client }

// Tasks answers tasks of the state machines in the same region.
func (s *StateMachines) Tasks() *Tasks { return &Tasks{api: s.api} }

// Succeed gives a task its output, JSON; nil is null. An output that
// Step Functions does not take fails the task, with an error that says so.
func (t *Tasks) Succeed(ctx context.Context, token string, output json.RawMessage) error {
	if len(output) == 0 {
		output = json.RawMessage("null")
	}
	if len(output) > MaxTaskOutput {
		return t.Fail(ctx, token, "Stepline.output_too_large",
			fmt.Sprintf("the execution succeeded, but its output has %d bytes and Step Functions takes %d at most", len(output), MaxTaskOutput))
	}
	text := string(output)
	var d departure
	_, err := t.api.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: &text}, d.watch)
	if refusal(err) == "InvalidOutput" {
		return t.Fail(ctx, token, "Stepline.output_refused", "the execution succeeded, but Step Functions does not take its output for JSON")
	}
	return taskError(ctx, "SendTaskSuccess", &d, err)
}

// Fail fails a task. Name and cause are cut to what Step Functions takes.
func (t *Tasks) Fail(ctx context.Context, token, name, cause string) error {
	var d departure
	_, err := t.api.SendTaskFailure(ctx, &sfn.SendTaskFailureInput{
		TaskToken: &token, Error: aws.String(atMost(name, maxTaskError)), Cause: aws.String(atMost(cause, maxTaskCause)),
	}, d.watch)
	return taskError(ctx, "SendTaskFailure", &d, err)
}

// Beat says that a task is still being worked on.
func (t *Tasks) Beat(ctx context.Context, token string) error {
	var d departure
	_, err := t.api.SendTaskHeartbeat(ctx, &sfn.SendTaskHeartbeatInput{TaskToken: &token}, d.watch)
	return taskError(ctx, "SendTaskHeartbeat", &d, err)
}

// taskError is the error of a call about a task, nil for none.
func taskError(ctx context.Context, operation string, d *departure, err error) error {
	if err == nil {
		return nil
	}
	switch refusal(err) {
	case "TaskTimedOut", "TaskDoesNotExist", "InvalidToken", "ValidationException":
		return ErrTaskOver
	}
	return callError(ctx, operation, d, err)
}

// refusal is the code of an answer that is an error of the service, "" for
// anything else.
func refusal(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	return ""
}

// atMost cuts a text to so many characters.
func atMost(s string, most int) string {
	if len(s) <= most {
		return s
	}
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
