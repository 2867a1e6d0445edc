package runner_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// Who has waited for an end gets the steps without a read, and they are what
// is stored; another process, and whoever asks for a later run, reads.
func TestStepsOfAnAwaitedEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.document(`
name: two
steps:
  - {id: a, type: http, request: {url: "http://there/a"}}
  - {id: b, type: http, request: {url: "http://there/b"}}
  - {id: c, type: transform, output: "{{ steps.b.output }}"}
`)
		one, other := w.process("one"), w.process("other")
		id := one.begins("two")
		endsAwaited(t, one, id)
		kept, at := stepsBy(t, one, w.meta(id))
		read, later := stepsBy(t, other, w.meta(id))
		if at != 0 || later == 0 {
			t.Errorf("the steps took %s in the process that awaited the end and %s in another; want a read in the other only", at, later)
		}
		if kept != read {
			t.Errorf("kept:\n%s\nstored:\n%s", kept, read)
		}
		if err := one.retry(id, "b"); err != nil {
			t.Fatal(err)
		}
		if _, took := stepsBy(t, one, w.meta(id)); took == 0 {
			t.Error("the steps of the next run came from memory while it was open")
		}
		endsAwaited(t, one, id)
		earlier := *w.meta(id)
		earlier.Run = 1
		if again, took := stepsBy(t, one, &earlier); took == 0 || again != read {
			t.Errorf("the steps of the earlier run, in %s:\n%s\nstored:\n%s", took, again, read)
		}
	})
}

// endsAwaited has a process work on an execution to its end and await that.
func endsAwaited(t *testing.T, p *process, id string) {
	t.Helper()
	awaited := make(chan error, 1)
	p.w.wg.Go(func() {
		awaited <- p.ask(func(ctx context.Context, r *runner.Runner) error { return r.Await(ctx, tenant, id) })
	})
	p.w.pass(10 * time.Millisecond)
	if len(awaited) > 0 {
		t.Fatal("an execution that is open counts as ended")
	}
	p.take(p.w.message(id)).wait()
	if err := <-awaited; err != nil {
		t.Fatal(err)
	}
	if st := p.w.status(id); st != record.Succeeded {
		t.Fatalf("the end was awaited, and the status is %s", st)
	}
}

// stepsBy is what a process knows of a run's steps, and the time it took.
func stepsBy(t *testing.T, p *process, m *record.Meta) (string, time.Duration) {
	t.Helper()
	var recs map[string]*record.Step
	began := time.Now()
	err := p.ask(func(ctx context.Context, r *runner.Runner) (err error) {
		recs, err = r.Steps(ctx, m)
		return err
	})
	took := time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	plain := map[string]record.Step{}
	for id, s := range recs {
		one := *s
		one.Owner = "" // of the write, and no part of the outcome
		plain[id] = one
	}
	text, err := json.MarshalIndent(plain, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text), took
}
