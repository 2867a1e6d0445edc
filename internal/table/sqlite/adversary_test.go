package sqlite

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/tabletest"
)

func TestConformanceBehindAdversary(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			tabletest.Run(t, tabletest.Unreliable, func(t *testing.T) table.Table {
				return tabletest.Adversary(open(t, sqlitefile.Options{}), seed)
			})
		})
	}
}

// Each promise that the adversary breaks is seen broken, from outside.
func TestAdversaryMisbehaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := open(t, sqlitefile.Options{})
		h := tabletest.Adversary(inner, 7)
		w := watcher{t: t, inner: inner, h: h, seen: map[tabletest.Fault]int{}}
		for i := range 400 {
			w.write(i)
			w.reads(i)
			time.Sleep(time.Second) // of the bubble: the lag passes
		}
		counts := h.Counts()
		for _, f := range tabletest.Faults {
			if w.seen[f] == 0 || counts[f] == 0 {
				t.Errorf("%s: seen %d times, counted %d times", f, w.seen[f], counts[f])
			}
		}
	})
}

// watcher compares what the adversary says with what the inner table holds.
type watcher struct {
	t     *testing.T
	inner table.Table
	h     *tabletest.Hostile
	seen  map[tabletest.Fault]int
}

var watched = table.Key{PK: "p", SK: "5"}

func (w *watcher) actual() table.Attrs {
	items, err := w.inner.Get(context.Background(), []table.Key{watched}, true)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(items) == 0 {
		return nil
	}
	return items[0].Attrs
}

// write sets, deletes, or lets the item expire.
func (w *watcher) write(i int) {
	value := table.Int(int64(i + 1))
	wr := table.Write{Key: watched, Kind: table.Put, If: table.Always(), Set: table.Attrs{
		"n": value, table.DuePK: table.String("q"), table.DueSK: value,
	}}
	switch i % 10 {
	case 3:
		wr.Set[table.ExpiryAttr] = table.Int(time.Now().Unix() - 1)
	case 7:
		wr = table.Write{Key: watched, Kind: table.Delete, If: table.Always()}
	}
	before := w.actual()
	_, err := w.h.Write(w.t.Context(), wr)
	after := w.actual()
	applied := after["n"] == wr.Set["n"] && (after == nil) == (wr.Set == nil)
	changed := before["n"] != after["n"]
	switch {
	case errors.Is(err, table.ErrBusy) && !changed:
		w.seen[tabletest.Busy]++
	case errors.Is(err, table.ErrUnknown) && applied && changed:
		w.seen[tabletest.Lost]++
	case errors.Is(err, table.ErrUnknown) && !changed:
		w.seen[tabletest.Dropped]++
	case err != nil || !applied:
		w.t.Fatalf("write %d: %v, left %v", i, err, after)
	}
}

func (w *watcher) reads(i int) {
	before := w.actual()
	items, err := w.h.Get(w.t.Context(), []table.Key{watched}, i%2 == 0)
	after := w.actual()
	w.expiry(before, after, items)
	if err == nil && i%2 == 1 && after != nil {
		switch {
		case len(items) == 0:
			w.seen[tabletest.Missing]++
		case items[0].Attrs["n"].Int() < after["n"].Int():
			w.seen[tabletest.Old]++
		}
	}
	if err == nil && i%2 == 0 && (len(items) == 1) != (after != nil) {
		w.t.Fatalf("a strong read showed %v of %v", items, after)
	}
	w.page()
	w.index()
}

func (w *watcher) expiry(before, after table.Attrs, items []table.Item) {
	switch xp := before[table.ExpiryAttr].Int(); {
	case xp == 0:
	case after == nil:
		w.seen[tabletest.Vanish]++
	case len(items) == 1:
		w.seen[tabletest.Linger]++
	}
}

func (w *watcher) page() {
	for i := range 9 {
		if i == 5 {
			continue
		}
		_, _ = w.inner.Write(w.t.Context(), table.Write{Key: table.Key{PK: "p", SK: fmt.Sprint(i)}, Kind: table.Put, If: table.IfAbsent()})
	}
	page, err := w.h.Query(w.t.Context(), table.Query{PK: "p", Strong: true, Limit: 8})
	switch {
	case err != nil || page.Next == "":
	case len(page.Items) == 0:
		w.seen[tabletest.Empty]++
	case len(page.Items) < 8:
		w.seen[tabletest.Tiny]++
	}
}

func (w *watcher) index() {
	page, err := w.h.Query(w.t.Context(), table.Query{Index: table.Due, PK: "q"})
	if err != nil || page.Next != "" {
		return
	}
	shown, actual := int64(0), w.actual()[table.DueSK].Int()
	if len(page.Items) > 0 {
		shown = page.Items[0].Attrs[table.DueSK].Int()
	}
	if shown != actual {
		w.seen[tabletest.Lagging]++
	}
}

// At first an index shows less than there is; two minutes after the last change
// it shows everything.
func TestAdversaryIndexCatchesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		quiet := tabletest.Rates{Lag: tabletest.MaxLag}
		h := tabletest.Adversary(open(t, sqlitefile.Options{}), 1, tabletest.WithRates(quiet))
		shown := func() int {
			page, err := h.Query(t.Context(), table.Query{Index: table.Hist, PK: "h"})
			if err != nil {
				t.Fatal(err)
			}
			return len(page.Items)
		}
		for i := range 20 {
			k := table.Key{PK: fmt.Sprint("e", i), SK: "0"}
			set := table.Attrs{table.HistPK: table.String("h")}
			if _, err := h.Write(t.Context(), table.Write{Key: k, Kind: table.Put, If: table.IfAbsent(), Set: set}); err != nil {
				t.Fatal(err)
			}
		}
		early := shown()
		time.Sleep(tabletest.MaxLag) // of the bubble: the lag is over
		if late := shown(); early >= 20 || late != 20 {
			t.Errorf("of 20 entries %d were shown at once and %d after two minutes", early, late)
		}
	})
}
