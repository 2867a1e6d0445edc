package runner_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// sweptTo is the cursor over the starts, 0 where there is none.
func (w *world) sweptTo() int64 {
	return w.item(table.Key{PK: "~sweep", SK: record.HistShard(tenant, 0)})["at"].Int()
}

// watched reports whether an execution has a due entry.
func (w *world) watched(id string) bool { w.t.Helper(); return w.meta(id).DuePK != "" }

// Each hundred starts moves the cursor on, so a sweep that ends early leaves
// the rest to the next one, and not everything.
func TestASweepGoesOnWhereTheLastOneStopped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		looked := w.reads("none")
		api := w.process("api")
		var ids []string
		for range 250 {
			ids = append(ids, api.begins("one"))
			w.pass(2 * time.Second)
		}
		w.pass(4 * time.Minute)
		first := w.process("first")
		w.when(first, at("due"), diesBefore).after(150)
		if err := first.sweep(); err == nil {
			t.Fatal("the first sweep has not died")
		}
		reached, err := record.CreatedAt(ids[99])
		if err != nil {
			t.Fatal(err)
		}
		if got := w.sweptTo(); got != reached.UnixMilli() {
			t.Errorf("the cursor is at %d, want it at the hundredth start, %d", got, reached.UnixMilli())
		}
		looked.forget()
		w.accepted("the next sweep", w.process("next").sweep())
		for _, id := range ids {
			if !w.watched(id) {
				t.Fatalf("%s is not watched after both", id)
			}
		}
		if n := looked.read(record.MetaKey(tenant, ids[0])); n != 0 {
			t.Errorf("the second sweep has read the first start %d times, want it done with", n)
		}
	})
}

// One META that this binary cannot read holds nobody up, and not the cursor.
func TestANewerMetaHoldsNobodyUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		api := w.process("api")
		before, newer, after := api.begins("one"), api.begins("one"), api.begins("one")
		key := record.MetaKey(tenant, newer)
		w.mu.Lock()
		image := maps.Clone(w.table.get(key))
		image["fv"] = table.Int(record.FV + 1)
		w.table.put(key, image)
		w.mu.Unlock()
		w.pass(4 * time.Minute)
		w.accepted("the sweep", w.process("s").sweep())
		for _, id := range []string{before, after} {
			if !w.watched(id) {
				t.Errorf("%s is not watched", id)
			}
		}
		if created, err := record.CreatedAt(after); err != nil || w.sweptTo() < created.UnixMilli() {
			t.Errorf("the cursor is at %d, want it beyond the last start (%v)", w.sweptTo(), err)
		}
		if got := w.item(key); !maps.Equal(got, image) {
			t.Errorf("the newer META has become %v", slices.Collect(maps.Keys(got)))
		}
	})
}

// However long the dues take, the starts are looked at meanwhile.
func TestDuesAndStartsAreSweptSideBySide(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		api, s := w.process("api"), w.process("s")
		due, err := api.start(runner.StartRequest{Workflow: "one", Delay: 30 * time.Minute})
		w.accepted("start", err)
		w.pass(25 * time.Minute)
		orphan := api.begins("one")
		w.pass(4 * time.Minute)
		if !w.watched(due.ID) || w.watched(orphan) {
			t.Fatal("want the delayed start watched and the orphan not yet")
		}
		w.when(s, sending(record.WhyWatch), meanwhile(func() {
			w.until("the orphan is watched", 10*time.Second, func() bool { return w.watched(orphan) })
		}))
		w.accepted("the sweep", s.sweep())
	})
}

// The deadline of a paused execution is met to the second, not to the minute of
// the sweep after it.
func TestAPausedExecutionEndsAtItsDeadline(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: waits\ntimeout: 37m30s\nsteps:\n  - {id: x, type: wait, duration: 30m}\n")
		w.lambda()
		w.cron()
		api := w.process("api")
		id := api.begins("waits")
		w.pass(time.Second)
		w.accepted("pause", api.pause(id))
		m := w.ends(id, time.Hour)
		if late := m.Ended - m.Deadline; m.Status != record.TimedOut || late < 0 || late > 3000 {
			t.Errorf("it ends as %s %d ms after its deadline, want timed_out within 3 s", m.Status, late)
		}
	})
}
