package history

import (
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	tries := []record.Attempt{{Start: 10, End: 20}, {Start: 30, End: 45}}
	for name, c := range map[string]struct {
		rec      record.Step
		status   record.StepStatus
		from, to int64 // 0: nil
	}{
		"two attempts":        {record.Step{First: 9, Body: record.StepBody{Attempts: tries}}, record.StepSucceeded, 9, 45},
		"no first kept":       {record.Step{Body: record.StepBody{Attempts: tries}}, record.StepFailed, 10, 45},
		"attempts dropped":    {record.Step{Body: record.StepBody{Attempts: tries, Dropped: 1}}, record.StepFailed, 0, 45},
		"waiting for a retry": {record.Step{First: 9, Due: 99, For: record.ForRetry, Body: record.StepBody{Attempts: tries}}, record.StepWaiting, 9, 0},
		"a wait, past":        {record.Step{First: 9, Due: 99, For: record.ForTimer}, record.StepSucceeded, 9, 99},
		"a wait, open":        {record.Step{First: 9, Due: 99, For: record.ForTimer}, record.StepWaiting, 9, 0},
	} {
		from, to := span(&c.rec, c.status)
		if milli(from) != c.from || milli(to) != c.to {
			t.Errorf("%s: got %d to %d, want %d to %d", name, milli(from), milli(to), c.from, c.to)
		}
	}
}

func milli(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}
