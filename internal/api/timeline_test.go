package api

import (
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// TestTimelineTellsOfWaits: a wait that is over is told with its beginning and
// its end, one that goes on once, from where it began to wait.
func TestTimelineTellsOfWaits(t *testing.T) {
	t.Parallel()
	at := func(s int) *time.Time {
		t := time.Unix(int64(s), 0).UTC()
		return &t
	}
	x := &history.Execution{
		CreatedAt: *at(1), StartedAt: at(2), Status: record.Waiting,
		Steps: []history.Step{
			{ID: "past", Type: "wait", Status: record.StepSucceeded, StartedAt: at(3), EndedAt: at(5)},
			{ID: "called", Type: "callback", Status: record.StepSucceeded, StartedAt: at(3)},
			{ID: "announced", Type: "callback", Status: record.StepFailed, StartedAt: at(3), EndedAt: at(4), Attempts: []history.Attempt{
				{N: 1, StartedAt: *at(3), EndedAt: at(4), Outcome: "succeeded"},
			}},
			{ID: "unheard", Type: "callback", Status: record.StepFailed, StartedAt: at(3), EndedAt: at(4), Attempts: []history.Attempt{
				{N: 1, StartedAt: *at(3), EndedAt: at(4), Outcome: "failed"},
			}},
			{ID: "given up", Type: "wait", Status: record.StepCancelled, StartedAt: at(4)},
			{ID: "open", Type: "wait", Status: record.StepWaiting, StartedAt: at(5)},
		},
		WaitingFor: []history.Wait{{Step: "open", Reason: "wait", Until: at(9)}},
	}
	want := []Event{
		{At: *at(1), Type: "created"},
		{At: *at(2), Type: "started"},
		{At: *at(3), Type: "waiting", Step: "past", Reason: "wait", Until: at(5)},
		{At: *at(3), Type: "waiting", Step: "called", Reason: "callback"},
		{At: *at(3), Type: "attempt_started", Step: "announced"},
		{At: *at(3), Type: "attempt_started", Step: "unheard"},
		{At: *at(4), Type: "attempt_succeeded", Step: "announced"},
		{At: *at(4), Type: "waiting", Step: "announced", Reason: "callback"},
		{At: *at(4), Type: "attempt_failed", Step: "unheard"},
		{At: *at(4), Type: "waiting", Step: "given up", Reason: "wait"},
		{At: *at(5), Type: "waited", Step: "past"},
		{At: *at(5), Type: "waiting", Step: "open", Reason: "wait", Until: at(9)},
	}
	got := timeline(x)
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		g, w := got[i], want[i]
		if !g.At.Equal(w.At) || g.Type != w.Type || g.Step != w.Step || g.Reason != w.Reason || (g.Until == nil) != (w.Until == nil) {
			t.Errorf("event %d: got %+v, want %+v", i, g, w)
		}
	}
}
