// Package problem holds the one error type that crosses Stepline's layers: a
// code for machines, a sentence for people and, for bad input, every fault
// with its place. Package api renders it as RFC 9457 problem details.
package problem

import (
	"errors"

	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Code says what kind of problem it is, for machines.
type Code string

// The codes and the HTTP status each becomes.
const (
	BadRequest   Code = "bad_request"  // 400: not readable as what was asked for
	Unauthorized Code = "unauthorized" // 401: not who it says it is
	NotFound     Code = "not_found"    // 404
	Conflict     Code = "conflict"     // 409: not in this state
	TooLarge     Code = "too_large"    // 413
	Unsupported  Code = "unsupported"  // 415: content type
	Invalid      Code = "invalid"      // 422: readable, but wrong; Faults says where
	KeyReused    Code = "key_reused"   // 422: an idempotency key with another body
	Unavailable  Code = "unavailable"  // 503: not done, try again
	Internal     Code = "internal"     // 500: the cause is in the log only
)

// Error is a problem. Detail never holds a payload, a secret or a stack.
type Error struct {
	Code   Code
	Detail string
	Faults []workflow.Fault
	Cause  error // for the log; nil for the caller's own mistakes
}

func (e *Error) Error() string { return e.Detail }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes a problem.
func New(code Code, detail string) *Error { return &Error{Code: code, Detail: detail} }

// CodeOf is the code of the problem in err, Internal when there is none.
func CodeOf(err error) Code {
	var p *Error
	if errors.As(err, &p) {
		return p.Code
	}
	return Internal
}
