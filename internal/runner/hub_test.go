package runner_test

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Who waits in the process that brings the end about is given what is stored;
// a later run is waited for although an earlier one has ended.
func TestAwaitGivesTheEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(`
name: two
steps:
  - {id: a, type: http, request: {url: "http://there/a"}}
  - {id: b, type: http, request: {url: "http://there/b"}}
  - {id: c, type: transform, output: "{{ steps.b.output }}"}
`)
		one, other := w.process("one"), w.process("other")
		id := one.begins("two")
		sameAsStored(t, other, endOf(t, one, id))
		if err := one.retry(id, "b"); err != nil {
			t.Fatal(err)
		}
		end := endOf(t, one, id)
		sameAsStored(t, other, end)
		if end.Meta.Run != 2 {
			t.Errorf("the end of run %d, want 2", end.Meta.Run)
		}
	})
}

// Where outcomes may come late, the end is to be read.
func TestAwaitOfAFailure(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		w.answers("a", answer{fails: "not_found"})
		one := w.process("one")
		if end := endOf(t, one, one.begins("one")); end != nil {
			t.Errorf("%+v, want nothing but the news", end)
		}
	})
}

// behind is a table whose weak reads know nothing yet.
type behind struct{ table.Table }

func (b behind) Get(ctx context.Context, keys []table.Key, strong bool) ([]table.Item, error) {
	if !strong {
		return nil, nil
	}
	return b.Table.Get(ctx, keys, strong)
}

// A start that weak reads do not know yet is waited for all the same.
func TestAwaitOfAStartThatReadsDoNotKnow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		api := w.process("api", func(c *runner.Config) { c.Table = behind{c.Table} })
		id := api.begins("one")
		w.lambda()
		if err := api.ask(func(ctx context.Context, r *runner.Runner) error {
			_, err := r.Await(ctx, tenant, id)
			return err
		}); err != nil {
			t.Error(err)
		}
		if err := api.ask(func(ctx context.Context, r *runner.Runner) error {
			_, err := r.Await(ctx, tenant, record.FirstID(time.Now()))
			return err
		}); problem.CodeOf(err) != problem.NotFound {
			t.Errorf("of none: %v", err)
		}
	})
}

// endOf has a process work on an execution to its end, and awaits that.
func endOf(t *testing.T, p *process, id string) (end *runner.Ended) {
	t.Helper()
	awaited := make(chan error, 1)
	p.w.wg.Go(func() {
		awaited <- p.ask(func(ctx context.Context, r *runner.Runner) (err error) {
			end, err = r.Await(ctx, tenant, id)
			return err
		})
	})
	p.w.pass(10 * time.Millisecond)
	if len(awaited) > 0 {
		t.Fatal("an execution that is open counts as ended")
	}
	p.take(p.w.message(id)).wait()
	if err := <-awaited; err != nil {
		t.Fatal(err)
	}
	return end
}

// sameAsStored compares an end with what another process reads.
func sameAsStored(t *testing.T, p *process, end *runner.Ended) {
	t.Helper()
	if end == nil {
		t.Fatal("no end is given")
	}
	if want := p.w.meta(end.Meta.ID); !reflect.DeepEqual(end.Meta, want) {
		t.Errorf("META\n%+v, stored\n%+v", end.Meta, want)
	}
	var stored map[string]*record.Step
	err := p.ask(func(ctx context.Context, r *runner.Runner) (err error) {
		stored, err = r.Steps(ctx, end.Meta)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := outcomes(t, end.Steps), outcomes(t, stored); got != want {
		t.Errorf("steps\n%s\nstored\n%s", got, want)
	}
}

func outcomes(t *testing.T, recs map[string]*record.Step) string {
	t.Helper()
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
	return string(text)
}
