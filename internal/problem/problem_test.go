package problem_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/problem"
)

func TestCodeOf(t *testing.T) {
	t.Parallel()
	busy := &problem.Error{Code: problem.Unavailable, Detail: "try again", Cause: io.ErrUnexpectedEOF}
	for name, c := range map[string]struct {
		err  error
		want problem.Code
	}{
		"a problem":        {problem.New(problem.NotFound, "no such thing"), problem.NotFound},
		"wrapped":          {fmt.Errorf("start: %w", busy), problem.Unavailable},
		"joined":           {errors.Join(io.EOF, busy), problem.Unavailable},
		"the outer of two": {&problem.Error{Code: problem.Conflict, Cause: busy}, problem.Conflict},
		"any other":        {io.EOF, problem.Internal},
		"none":             {nil, problem.Internal},
	} {
		if got := problem.CodeOf(c.err); got != c.want {
			t.Errorf("%s: code %s, want %s", name, got, c.want)
		}
	}
}

// The cause is for the log: it can be found, and is not in the sentence.
func TestTheCauseIsNotTold(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial 10.0.0.7: token=secret")
	err := error(&problem.Error{Code: problem.Unavailable, Detail: "try again", Cause: cause})
	if !errors.Is(err, cause) || err.Error() != "try again" {
		t.Errorf("says %q, wraps its cause: %t", err, errors.Is(err, cause))
	}
	if problem.New(problem.Conflict, "x").Unwrap() != nil {
		t.Error("a problem without a cause wraps something")
	}
}
