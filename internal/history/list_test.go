package history_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/tabletest"
)

// Whatever the filter, the page size, the shards and the pages of the index:
// the walk shows exactly what the filter selects, newest first, once.
func TestListShowsExactlyWhatTheFilterSelects(t *testing.T) {
	t.Parallel()
	for seed := range uint64(9) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s, filters := newShelf(t, seed), 25
			if s.table.on = seed%2 == 1; seed > 5 {
				s.behind(seed).table.on, filters = false, 8 // the adversary is slow
			}
			shards := 1 + int(seed%3)
			s.shards(int64(shards))
			var all []meta
			for range 120 {
				at := noon.Add(-time.Duration(s.rnd.IntN(200)) * time.Second) // some in the same millisecond
				all = append(all, meta{
					id: s.id(at), workflow: []string{"a", "b"}[s.rnd.IntN(2)], version: 1 + s.rnd.IntN(2),
					status: record.Statuses[s.rnd.IntN(len(record.Statuses))], created: at,
					shard: s.rnd.IntN(shards), expired: s.rnd.IntN(10) == 0,
				})
			}
			s.add(all...)
			s.settle()
			for range filters {
				s.compare(all, s.randomFilter())
			}
		})
	}
}

func (s *shelf) randomFilter() history.Filter {
	f := history.Filter{Limit: 1 + s.rnd.IntN(30)}
	if s.rnd.IntN(2) == 0 {
		f.Workflow = []string{"a", "b", "unknown"}[s.rnd.IntN(3)]
	}
	if s.rnd.IntN(3) == 0 {
		f.Version = 1 + s.rnd.IntN(2)
	}
	if s.rnd.IntN(2) == 0 {
		f.Status = record.Statuses[s.rnd.IntN(len(record.Statuses))]
	}
	if s.rnd.IntN(3) == 0 {
		f.From = noon.Add(-time.Duration(s.rnd.IntN(220)) * time.Second)
	}
	if s.rnd.IntN(3) == 0 {
		f.To = noon.Add(-time.Duration(s.rnd.IntN(220)) * time.Second)
	}
	return f
}

func (s *shelf) compare(all []meta, f history.Filter) {
	s.t.Helper()
	var want []string
	for _, m := range all {
		if !m.expired && (f.Workflow == "" || m.workflow == f.Workflow) && (f.Version == 0 || m.version == f.Version) &&
			(f.Status == "" || m.status == f.Status) &&
			(f.From.IsZero() || !m.created.Before(f.From)) && (f.To.IsZero() || m.created.Before(f.To)) {
			want = append(want, m.id)
		}
	}
	slices.Sort(want)
	slices.Reverse(want)
	if got, _ := s.walk(f); !slices.Equal(got, want) {
		s.t.Fatalf("List %+v\n got %v\nwant %v", f, got, want)
	}
}

// Bounds from before there were ids select like others.
func TestBoundsBeforeTheFirstID(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1)
	m := meta{id: s.id(noon), workflow: "a", version: 1, status: record.Running, created: noon}
	s.add(m)
	for _, at := range []time.Time{time.Time{}.Add(time.Nanosecond), time.Unix(-1, 0), time.Unix(0, 0)} {
		s.compare([]meta{m}, history.Filter{To: at})
		s.compare([]meta{m}, history.Filter{From: at})
	}
}

// While the index and the replicas lag, a list may miss what is young, and never
// shows what is not, in another order, or twice.
func TestAListOverAnIndexThatLags(t *testing.T) {
	t.Parallel()
	missed := 0
	for seed := range uint64(4) {
		s := newShelf(t, seed).behind(seed + 1)
		all := map[string]bool{}
		for i := range 60 {
			at := noon.Add(time.Duration(i-60) * time.Second)
			m := meta{id: s.id(at), workflow: "a", version: 1, status: record.Running, created: at}
			s.add(m)
			all[m.id] = true
			s.late.Add(int64(time.Second))
		}
		ids, _ := s.walk(history.Filter{Limit: 7})
		if !slices.IsSortedFunc(ids, func(a, b string) int { return strings.Compare(b, a) }) {
			t.Errorf("seed %d: not newest first: %v", seed, ids)
		}
		for i, id := range ids {
			if !all[id] || i > 0 && id == ids[i-1] {
				t.Errorf("seed %d: %s is shown and should not be", seed, id)
			}
		}
		missed += len(all) - len(ids)
		s.settle()
		if ids, _ := s.walk(history.Filter{Limit: 7}); len(ids) != len(all) {
			t.Errorf("seed %d: %d of %d are shown once all has settled", seed, len(ids), len(all))
		}
	}
	if missed == 0 {
		t.Error("nothing was ever missed: the index does not lag")
	}
}

// What the index shows is shown, also where a replica does not know it yet.
func TestAYoungExecutionIsShown(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1)
	s.table.Table = tabletest.Adversary(s.table.Table, 1, tabletest.WithRates(tabletest.Rates{Old: 1, StaleFor: time.Hour}),
		tabletest.WithClock(func() time.Time { return noon }))
	m := meta{id: s.id(noon), workflow: "a", version: 1, status: record.Queued, created: noon}
	s.add(m)
	if ids, _ := s.walk(history.Filter{}); !slices.Equal(ids, []string{m.id}) {
		t.Errorf("shown are %v, want %s", ids, m.id)
	}
}

func TestAListIsNotDisturbedByNewStarts(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1)
	var want []string
	for i := range 10 {
		at := noon.Add(time.Duration(i) * time.Second)
		m := meta{id: s.id(at), workflow: "a", version: 1, status: record.Succeeded, created: at}
		s.add(m)
		want = append(want, m.id)
	}
	slices.Reverse(want)
	first, err := s.List(t.Context(), tenant, history.Filter{Limit: 4})
	if err != nil {
		t.Fatal(err)
	}
	later := noon.Add(time.Minute)
	s.add(meta{id: s.id(later), workflow: "a", version: 1, status: record.Queued, created: later})
	rest, err := s.List(t.Context(), tenant, history.Filter{Limit: 100, Cursor: first.Next})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range append(first.Items, rest.Items...) {
		got = append(got, x.ID)
	}
	if !slices.Equal(got, want) || rest.Next != "" {
		t.Fatalf("two pages %v and next %q, want %v and none", got, rest.Next, want)
	}
}

func TestAFullLastPageHasNoNext(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1)
	for i := range 6 {
		at := noon.Add(time.Duration(i) * time.Second)
		s.add(meta{id: s.id(at), workflow: "a", version: 1, status: record.Succeeded, created: at})
	}
	for _, f := range []history.Filter{{Limit: 3}, {Limit: 3, Status: record.Succeeded}, {Limit: 3, Workflow: "a"}} {
		if ids, pages := s.walk(f); len(ids) != 6 || pages != 2 {
			t.Errorf("List %+v: %d items on %d pages, want 6 on 2", f, len(ids), pages)
		}
	}
}

// A filter that matches seldom answers partial pages instead of walking the
// whole history at once.
func TestAPageDoesABoundedAmountOfWork(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1)
	const total = history.MaxExamined + 500
	rare := meta{id: s.id(noon.Add(-time.Hour)), workflow: "rare", version: 1, status: record.Failed, created: noon.Add(-time.Hour)}
	s.addMany(total, "common")
	s.add(rare)
	for _, f := range []history.Filter{{Workflow: "rare"}, {Status: record.Failed}} {
		before := s.table.entries.Load()
		page, err := s.List(t.Context(), tenant, f)
		if err != nil || len(page.Items) != 0 || page.Next == "" {
			t.Fatalf("first page of %+v = %d items, next %q, %v; want none and a cursor", f, len(page.Items), page.Next, err)
		}
		if n := s.table.entries.Load() - before; n > history.MaxExamined+250 {
			t.Fatalf("%d index entries read for one page of at most %d", n, history.MaxExamined)
		}
		if ids, pages := s.walk(f); !slices.Equal(ids, []string{rare.id}) || pages != 2 {
			t.Fatalf("walk of %+v = %v on %d pages, want %s on the second", f, ids, pages, rare.id)
		}
	}
}

func TestASummaryTellsWhatMetaKnows(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1)
	id := s.id(noon)
	s.add(meta{id: id, workflow: "a", version: 3, status: record.Paused, created: noon})
	page, err := s.List(t.Context(), tenant, history.Filter{})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("List = %+v, %v", page, err)
	}
	x := page.Items[0]
	if x.ID != id || x.Workflow != "a" || x.Version != 3 || x.Run != 1 || x.Status != record.Paused || x.Tags == nil ||
		!x.CreatedAt.Equal(noon) || !x.Deadline.Equal(noon.Add(time.Hour)) || x.StartedAt != nil || x.EndedAt != nil ||
		len(x.WaitingFor) != 1 || x.WaitingFor[0].Reason != "paused" || x.Steps != nil || x.Input != nil {
		t.Fatalf("summary = %+v", x)
	}
}

func TestANewerFormatIsAnError(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1)
	id := s.id(noon)
	s.add(meta{id: id, workflow: "a", version: 1, status: record.Queued, created: noon})
	if _, err := s.table.Write(t.Context(), table.Write{
		Key: record.MetaKey(tenant, id), Kind: table.Update, Set: table.Attrs{"fv": table.Int(record.FV + 1)}, If: table.IfPresent(),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(t.Context(), tenant, history.Filter{}); err == nil || !strings.Contains(err.Error(), "format version") {
		t.Fatalf("List = %v, want an error that names the format version", err)
	}
}

func TestOpenExecutions(t *testing.T) {
	t.Parallel()
	old := noon.Add(-time.Hour)
	for name, c := range map[string]struct {
		meta
		want bool
	}{
		"young and queued":        {meta{workflow: "a", status: record.Queued, created: noon}, true},
		"young and over":          {meta{workflow: "a", status: record.Succeeded, created: noon}, false},
		"old and waiting":         {meta{workflow: "a", status: record.Waiting, created: old, due: true}, true},
		"old, paused, index only": {meta{workflow: "a", status: record.Paused, created: old, due: true, hidden: true}, true},
		"of another workflow":     {meta{workflow: "b", status: record.Waiting, created: old, due: true}, false},
		"expired":                 {meta{workflow: "a", status: record.Waiting, created: old, due: true, expired: true}, false},
		"ended, still in due":     {meta{workflow: "a", status: record.Cancelled, created: old, due: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.version = 1
			for seed := range uint64(3) {
				s := newShelf(t, 7).behind(seed)
				s.table.on = seed == 0
				c.id = s.id(c.created)
				s.add(c.meta)
				s.settle()
				if open, err := s.OpenExecutions(t.Context(), tenant, "a"); err != nil || open != c.want {
					t.Fatalf("adversary %d: OpenExecutions = %t, %v; want %t", seed, open, err, c.want)
				}
				if open, err := s.OpenExecutions(t.Context(), "other", "a"); err != nil || open {
					t.Fatalf("adversary %d: OpenExecutions of another tenant = %t, %v; want false", seed, open, err)
				}
			}
		})
	}
}
