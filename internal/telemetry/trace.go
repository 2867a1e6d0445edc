package telemetry

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"
)

// Traceparent is the W3C Trace Context header of one attempt of a step: version
// 00, sampled. It is a pure function of its arguments.
//
// The trace id is the 128 bits of the execution's ULID, so that a trace can be
// found from the execution and the other way round; for an id without one it is
// a hash of the id. The span id is a hash of all three.
func Traceparent(execution, step string, attempt int) string {
	const (
		version = "00-"
		sampled = "-01"
	)
	trace, span := traceID(execution), spanID(execution, step, attempt)
	b := make([]byte, 0, len(version)+2*len(trace)+1+2*len(span)+len(sampled))
	b = append(b, version...)
	b = hex.AppendEncode(b, trace[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, span[:])
	return string(append(b, sampled...))
}

// TraceID is the trace id of an execution, as 32 hexadecimal digits.
func TraceID(execution string) string {
	id := traceID(execution)
	return hex.EncodeToString(id[:])
}

func traceID(execution string) [16]byte {
	_, last, _ := strings.Cut(execution, "_")
	if u, err := ulid.ParseStrict(last); err == nil && u != (ulid.ULID{}) {
		return u
	}
	sum := sha256.Sum256([]byte(execution))
	id := [16]byte(sum[:16])
	id[15] |= 1 // all zeros is not a trace
	return id
}

func spanID(execution, step string, attempt int) [8]byte {
	b := make([]byte, 0, 128)
	b = append(b, execution...)
	b = append(b, '/')
	b = append(b, step...)
	b = append(b, '/')
	b = strconv.AppendInt(b, int64(attempt), 10)
	sum := sha256.Sum256(b)
	id := [8]byte(sum[:8])
	id[7] |= 1 // all zeros is not a span
	return id
}
