package runner_test

import (
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// A retry is wanted now: it does not wait for the time at which the run that
// was cancelled would have begun.
func TestARetryForgetsTheDelayOfTheStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		w.lambda()
		w.cron()
		api := w.process("api")
		s, err := api.start(runner.StartRequest{Workflow: "one", Delay: 72 * time.Hour})
		w.accepted("start", err)
		w.pass(time.Minute)
		w.accepted("cancel", api.cancel(s.ID))
		w.ends(s.ID, time.Minute)
		w.called(s.ID, "a", 0)
		w.accepted("retry", api.retry(s.ID, "start"))
		w.succeeds(s.ID, 5*time.Second, `{"a":{"from":"a"}}`)
	})
}

// A delayed start does not end before its time, even when none of its steps
// needs a call and a signal has a worker look at it early.
func TestADelayedStartOfTransformsWaitsForItsTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: pure\nsteps:\n  - {id: t, type: transform, output: 1}\noutput: {t: \"{{ steps.t.output }}\"}\n")
		w.lambda()
		w.cron()
		api := w.process("api")
		s, err := api.start(runner.StartRequest{Workflow: "pure", Delay: 10 * time.Minute})
		w.accepted("start", err)
		w.pass(time.Minute)
		w.accepted("pause", api.pause(s.ID))
		w.until("it is paused", 5*time.Second, func() bool { return w.status(s.ID) == record.Paused })
		w.accepted("resume", api.resume(s.ID))
		w.succeeds(s.ID, 10*time.Minute, `{"t":1}`)
		if m := w.meta(s.ID); m.Ended < m.NotBefore {
			t.Errorf("it ended %d ms before its time", m.NotBefore-m.Ended)
		}
	})
}
