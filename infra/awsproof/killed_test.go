//go:build aws

package awsproof

import (
	"flag"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

var (
	executions = flag.Int("executions", 2000, "that run while workers are killed")
	patience   = flag.Duration("patience", 4*time.Minute, "how long what is open may take after that")
	rampage    = flag.Duration("rampage", time.Minute, "how long a worker is killed every five seconds")
)

// Two worker processes; one of them dies by SIGKILL every five seconds for a
// minute and is replaced. All executions succeed, no checkpointed step is
// called again, and nothing is a dead letter.
func TestWorkersKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	called := calledtest.New(t, 500*time.Millisecond) // the work lasts as long as the rampage
	w.register(calledtest.Five("five", called.URL, brief))
	bin := build(t, tree)
	launch := func() *worker { return w.worker(bin, "-invocations", "4", "-sweep", "6s") }
	workers := []*worker{launch(), launch()}
	ids := w.start(*executions, "five")

	frozen := map[string]int{} // calls of steps that had their outcome, when it was seen
	kills, middle := 0, 0
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for begin := time.Now(); time.Since(begin) < *rampage; kills++ {
		<-tick.C
		workers[kills%2].kill()
		workers[kills%2] = launch()
		done := w.checkpoints(ids)
		calls := called.Snapshot()
		if len(done) > 0 && len(done) < 5*len(ids) {
			middle++
		}
		for key := range done {
			if _, known := frozen[key]; !known {
				frozen[key] = calls[key]
			}
		}
	}
	early := len(frozen)
	ends := w.ends(ids, *patience)
	if ends[record.Succeeded] != len(ids) {
		t.Errorf("%v of %d executions", ends, len(ids))
	}
	most := int64(0)
	for _, m := range w.metas(ids) {
		most = max(most, m.Crashes)
	}
	again := 0
	for key, n := range called.Snapshot() {
		if was, known := frozen[key]; known && n != was {
			t.Errorf("%s was checkpointed after %d calls and has %d", key, was, n)
		}
		if n > 1 {
			again++
		}
	}
	if middle < kills/2 {
		t.Errorf("only %d of %d kills were in the middle of the work", middle, kills)
	}
	w.wantNoDeadLetters()
	t.Logf("%d kills; %d steps checkpointed between them, none called again; %d steps in doubt called twice; at most %d deaths in a row; ends %v", kills, early, again, most, ends)
}

// wantNoDeadLetters checks that nothing is or was in the dead-letter queue.
func (w *world) wantNoDeadLetters() {
	w.t.Helper()
	visible, inFlight, delayed, err := w.Queue.Depth(w.t.Context(), queue.Dead)
	if err != nil || visible+inFlight+delayed != 0 {
		w.t.Errorf("the dead-letter queue holds %d, %d, %d messages (%v)", visible, inFlight, delayed, err)
	}
	if n := len(w.deadLetters()); n != 0 {
		w.t.Errorf("%d dead letters", n)
	}
}
