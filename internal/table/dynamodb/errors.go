package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// busy are the codes of calls that DynamoDB did not take on.
var busy = map[string]bool{
	"ProvisionedThroughputExceededException": true,
	"ProvisionedThroughputExceeded":          true, // a transaction's reason
	"RequestLimitExceeded":                   true,
	"ThrottlingException":                    true,
	"ThrottlingError":                        true,
	"LimitExceededException":                 true,
	"TransactionConflictException":           true,
	"TransactionConflict":                    true,
	"DuplicateItem":                          true,
	"ReplicatedWriteConflictException":       true,
}

// explain turns a write's last error into the port's, knowing all its tries.
func (t *tries) explain(err error) error {
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		old, derr := decode(failed.Item)
		if derr != nil {
			return derr
		}
		return &table.ConditionFailed{Old: old}
	}
	var api smithy.APIError
	known := errors.As(err, &api)
	switch {
	case t.unclear.Load(), known && api.ErrorCode() == "TransactionInProgressException":
		return because(table.ErrUnknown, err)
	case known && busy[api.ErrorCode()]:
		return because(table.ErrBusy, err)
	case known && tooLarge(api.ErrorMessage()):
		return table.ErrTooLarge
	case known:
		return plain(err)
	}
	return because(table.ErrBusy, err) // no try has reached the store
}

// unread turns a read's error into the port's: nothing was written, so whatever
// may pass is ErrBusy.
func unread(err error) error {
	var api smithy.APIError
	var response *awshttp.ResponseError
	switch {
	case errors.Is(err, table.ErrBusy):
		return err
	case errors.As(err, &response) && response.HTTPStatusCode() >= 500:
		return because(table.ErrBusy, err)
	case errors.As(err, &api) && !busy[api.ErrorCode()]:
		return plain(err)
	}
	return because(table.ErrBusy, err)
}

// tooLarge recognises the two texts that DynamoDB has for an item over 400 KB;
// it has no code for them.
func tooLarge(message string) bool {
	return strings.Contains(message, "tem size") && strings.Contains(message, "exceeded the maximum allowed size")
}

// because is the port's error with what the store said, for the log.
func because(port, err error) error { return fmt.Errorf("%w (%s)", port, said(err)) }

// plain is an error that no repetition mends: a missing table or index, a
// permission that is not given.
func plain(err error) error { return &storeError{text: "table: " + said(err), cause: err} }

type storeError struct {
	text  string
	cause error
}

func (e *storeError) Error() string { return e.text }
func (e *storeError) Unwrap() error { return e.cause }

// said is DynamoDB's own words in one line: code, message and request id.
func said(err error) string {
	var text string
	var api smithy.APIError
	var op *smithy.OperationError
	switch {
	case errors.As(err, &api):
		text = api.ErrorCode()
		if m := api.ErrorMessage(); m != "" {
			text += ": " + m
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errSilent):
		text = "no answer in time"
	case errors.Is(err, context.Canceled):
		text = "the caller has given up"
	default:
		text = err.Error()
	}
	if errors.As(err, &op) {
		text = "DynamoDB " + op.OperationName + ": " + text
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.ServiceRequestID() != "" {
		text += ", request " + response.ServiceRequestID()
	}
	return strings.Join(strings.Fields(text), " ")
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{table.ErrInvalid}, args...)...)
}
