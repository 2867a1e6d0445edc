package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

func put(tab *Table, t testing.TB, k table.Key, a table.Attrs) error {
	_, err := tab.Write(t.Context(), table.Write{Key: k, Kind: table.Put, Set: a, If: table.Always()})
	return err
}

func count(t testing.TB, tab *Table, pk string) int {
	t.Helper()
	page, err := tab.Query(t.Context(), table.Query{PK: pk, Strong: true})
	if err != nil || page.Next != "" {
		t.Fatalf("%v, next %q", err, page.Next)
	}
	return len(page.Items)
}

// On a full disk nothing acknowledged is lost, no condition sees what was
// rolled back, and the work goes on when there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	tab := open(t, sqlitefile.Options{MaxBytes: 400 << 10})
	filler := table.Attrs{"v": table.String(strings.Repeat("x", 3000))}
	var err error
	n := 0
	for ; n < 1000; n++ {
		if err = put(tab, t, table.Key{PK: "p", SK: fmt.Sprint(n)}, filler); err != nil {
			break
		}
	}
	if !errors.Is(err, table.ErrFull) || !errors.Is(err, table.ErrBusy) || errors.Is(err, table.ErrUnknown) {
		t.Fatalf("after %d items: %v, want ErrFull", n, err)
	}
	refused := table.Key{PK: "p", SK: fmt.Sprint(n)}
	_, err = tab.Write(t.Context(), table.Write{Key: refused, Kind: table.Check, If: table.IfPresent()})
	if old, failed := table.Failed(err); !failed || old != nil {
		t.Errorf("the refused item is seen as %v (%v)", old, err)
	}
	if got := count(t, tab, "p"); got != n {
		t.Errorf("%d items, want the %d acknowledged", got, n)
	}
	for i := range n / 2 {
		if _, err := tab.Write(t.Context(), table.Write{Key: table.Key{PK: "p", SK: fmt.Sprint(i)}, Kind: table.Delete, If: table.Always()}); err != nil {
			t.Fatalf("making space: %v", err)
		}
	}
	if err := put(tab, t, refused, filler); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

// One too large item in a lot of many spoils no other.
func TestTooLargeAmongOthers(t *testing.T) {
	t.Parallel()
	tab := open(t, sqlitefile.Options{})
	huge := table.Attrs{"v": table.String(strings.Repeat("x", table.MaxItem))}
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			set := table.Attrs{"n": table.Int(int64(i))}
			if i%10 == 0 {
				set = huge
			}
			err := put(tab, t, table.Key{PK: "p", SK: fmt.Sprint(i)}, set)
			if (i%10 == 0) != errors.Is(err, table.ErrTooLarge) || i%10 != 0 && err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := count(t, tab, "p"); got != 54 {
		t.Errorf("%d items, want 54", got)
	}
}

// What the cache holds and what the file holds never differ: the same writes
// with and without the cache give the same images.
func TestCacheIsTransparent(t *testing.T) {
	t.Parallel()
	with, without := open(t, sqlitefile.Options{}), open(t, sqlitefile.Options{})
	for i := range 300 {
		k := table.Key{PK: "p", SK: fmt.Sprint(i * i % 7)}
		w := table.Write{Key: k, Kind: table.WriteKind(1 + i%3), If: table.Always()}
		switch w.Kind {
		case table.Put:
			w.Set = table.Attrs{"n": table.Int(int64(i)), table.HistPK: table.String("h")}
		case table.Update:
			w.Add = map[string]int64{"n": 1}
			w.Set = table.Attrs{table.DuePK: table.String("q"), table.DueSK: table.Int(int64(i % 5))}
		case table.Delete:
			w.If = table.Cond{{{Attr: "n", Op: table.Gt, Value: table.Int(int64(i - 40))}}}
		}
		_ = without.file.Do(t.Context(), func(*sqlitefile.Tx) error {
			without.cache.drop()
			return nil
		})
		a, errA := with.Write(t.Context(), w)
		b, errB := without.Write(t.Context(), w)
		oldA, failedA := table.Failed(errA)
		oldB, failedB := table.Failed(errB)
		if fmt.Sprint(a, oldA, failedA) != fmt.Sprint(b, oldB, failedB) {
			t.Fatalf("write %d: %v, %v with the cache; %v, %v without", i, a, oldA, b, oldB)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	var c cache
	c.drop()
	for i := range 2 * cacheBytes / cacheItem {
		c.put(&row{key: table.Key{PK: "p", SK: fmt.Sprint(i)}, size: cacheItem})
	}
	c.put(&row{key: table.Key{PK: "huge", SK: "0"}, size: cacheItem + 1})
	if c.bytes > cacheBytes || c.recent.Len() != len(c.byKey) || c.get(table.Key{PK: "huge", SK: "0"}) != nil {
		t.Errorf("%d bytes kept, most %d; %d rows of which %d can be found", c.bytes, cacheBytes, c.recent.Len(), len(c.byKey))
	}
	if c.get(table.Key{PK: "p", SK: "0"}) != nil {
		t.Error("the oldest row was kept")
	}
}

// Expired items go by themselves, from the indexes and the cache too; others
// stay, and so does one whose expiry was put off meanwhile.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := open(t, sqlitefile.Options{})
		now := time.Now().Unix()
		for i := range 300 {
			set := table.Attrs{table.ExpiryAttr: table.Int(now + int64(i)), table.HistPK: table.String("h")}
			if i%3 == 0 {
				delete(set, table.ExpiryAttr)
			}
			if err := put(tab, t, table.Key{PK: "p", SK: fmt.Sprintf("%03d", i)}, set); err != nil {
				t.Fatal(err)
			}
		}
		prolonged := table.Key{PK: "p", SK: "001"}
		if err := put(tab, t, prolonged, table.Attrs{table.ExpiryAttr: table.Int(now + 1_000_000)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * sweepEvery / 2) // of the bubble: one sweep
		synctest.Wait()
		if got := count(t, tab, "p"); got <= 101 || got >= 300 {
			t.Errorf("after a minute %d of 300 items are left: one sweep must take those that have expired only", got)
		}
		time.Sleep(10 * time.Minute) // all have expired that will
		synctest.Wait()
		if got := count(t, tab, "p"); got != 101 {
			t.Errorf("%d items are left, want the 100 without expiry and the prolonged one", got)
		}
		if err := put(tab, t, prolonged, nil); err != nil {
			t.Fatal(err)
		}
		_, err := tab.Write(t.Context(), table.Write{Key: table.Key{PK: "p", SK: "002"}, Kind: table.Put, If: table.IfAbsent()})
		if err != nil {
			t.Errorf("an expired item is still in the way: %v", err)
		}
	})
}

func TestReopened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for life := range 3 {
		f, err := sqlitefile.Open(dir, sqlitefile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		tab, err := New(f)
		if err != nil {
			t.Fatal(err)
		}
		next, err := tab.Write(t.Context(), table.Write{Key: table.Key{PK: "p", SK: "s"}, Kind: table.Update, Add: map[string]int64{"lives": 1}, If: table.Always()})
		if err != nil || next["lives"].Int() != int64(life+1) {
			t.Errorf("life %d: %v, %v", life, next, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := tab.Get(t.Context(), []table.Key{{PK: "p", SK: "s"}}, true); !errors.Is(err, table.ErrBusy) {
			t.Errorf("after Close: %v, want ErrBusy", err)
		}
	}
}

// A write that was rolled back because another of its lot failed is forgotten:
// the next condition sees what the file holds.
func TestRollbackDropsCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tab := open(t, sqlitefile.Options{})
		k := table.Key{PK: "p", SK: "s"}
		if err := put(tab, t, k, table.Attrs{"n": table.Int(1)}); err != nil {
			t.Fatal(err)
		}
		busy, release := make(chan struct{}), make(chan struct{})
		go func() {
			_ = tab.file.Do(t.Context(), func(*sqlitefile.Tx) error {
				close(busy)
				<-release
				return nil
			})
		}()
		<-busy
		lost := make(chan error)
		go func() { lost <- put(tab, t, k, table.Attrs{"n": table.Int(2)}) }()
		synctest.Wait()
		go func() {
			_ = tab.file.Do(t.Context(), func(tx *sqlitefile.Tx) error {
				_, _, err := tx.Exec(sqlitefile.NewStmt(`INSERT INTO item (pk) VALUES (NULL)`))
				return err
			})
		}()
		synctest.Wait()
		close(release)
		if err := <-lost; !errors.Is(err, table.ErrBusy) {
			t.Fatalf("in a lot that failed: %v, want ErrBusy", err)
		}
		_, err := tab.Write(t.Context(), table.Write{Key: k, Kind: table.Check, If: table.IfAbsent()})
		if old, _ := table.Failed(err); old["n"] != table.Int(1) {
			t.Errorf("the item is seen as %v, want what the file holds", old)
		}
	})
}
