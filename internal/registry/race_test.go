package registry_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

func TestConcurrentPutsLoseNothing(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		const processes, each = 3, 8
		numbers := make([][]int, processes)
		var wg sync.WaitGroup
		for p := range processes {
			r := b.another()
			numbers[p] = make([]int, each)
			for i := range each {
				wg.Go(func() {
					v, created, err := r.Put(t.Context(), tenant, "orders", document(t, "orders", p*each+i))
					if err != nil || !created {
						t.Errorf("Put = %d, %t, %v; want a new version", v, created, err)
					}
					numbers[p][i] = v
				})
			}
		}
		wg.Wait()
		seen := map[int]bool{}
		for p := range numbers {
			for i, v := range numbers[p] {
				if seen[v] || v < 1 || v > processes*each {
					t.Fatalf("version %d was given twice or is out of range: %v", v, numbers)
				}
				seen[v] = true
				stored, err := b.Version(t.Context(), tenant, "orders", v)
				if want := string(document(t, "orders", p*each+i).Source()); err != nil || string(stored.Source) != want {
					t.Fatalf("version %d = %s, %v; want %s", v, stored.Source, err, want)
				}
			}
		}
		w, err := b.Get(t.Context(), tenant, "orders")
		if err != nil || w.Live != processes*each || w.Latest != processes*each {
			t.Fatalf("Get = %+v, %v; want the last version live", w, err)
		}
	})
}

func TestConcurrentPutsOfOneDocumentMakeOneVersion(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 6 {
			r := b.another()
			wg.Go(func() {
				v, created, err := r.Put(t.Context(), tenant, "orders", document(t, "orders", 1))
				if err != nil || v != 1 {
					t.Errorf("Put = %d, %v; want version 1", v, err)
				}
				mu.Lock()
				defer mu.Unlock()
				if created {
					made++
				}
			})
		}
		wg.Wait()
		if versions, err := b.Versions(t.Context(), tenant, "orders"); err != nil || len(versions) != 1 || made < 1 {
			t.Fatalf("Versions = %+v, %v, %d said created; want one", versions, err, made)
		}
	})
}

// Whatever write of a Put dies, before or after it is applied, and whatever is
// put next: what is there is whole, and the next Put succeeds.
func TestACrashInPutLeavesNothingTorn(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for write := int64(1); write <= 2; write++ {
			for _, next := range []int{1, 2} {
				t.Run(fmt.Sprintf("write %d applied %t next %d", write, after, next), func(t *testing.T) {
					t.Parallel()
					b := newBundle(t, 0)
					b.table.failNext(write, errCrash, after)
					if _, _, err := b.Put(t.Context(), tenant, "orders", document(t, "orders", 1)); !errors.Is(err, errCrash) {
						t.Fatalf("Put = %v, want the crash", err)
					}
					b.Registry = b.another()
					b.clock.pass(1)
					applied := write == 2 && after
					version, created := 1, true
					switch {
					case applied && next == 1:
						created = false
					case applied:
						version = 2
					}
					b.put("orders", next, version, created)
					b.wantWhole("orders", version)
				})
			}
		}
	}
}

// wantWhole: the head's versions are exactly the ones that exist.
func (b *bundle) wantWhole(name string, latest int) {
	b.t.Helper()
	w, err := b.Get(b.t.Context(), tenant, name)
	if err != nil || w.Live != latest || w.Latest != latest {
		b.t.Fatalf("Get = %+v, %v; want live and latest %d", w, err, latest)
	}
	versions, err := b.Versions(b.t.Context(), tenant, name)
	if err != nil || len(versions) != latest {
		b.t.Fatalf("Versions = %+v, %v; want %d", versions, err, latest)
	}
	b.wantLive(b.another(), name, latest)
}

func TestALostAnswerIsRecognised(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied %t", applied), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, 0)
			for write := int64(1); write <= 2; write++ {
				name := fmt.Sprintf("w%d", write)
				b.Registry = b.another()
				b.table.failNext(write, table.ErrUnknown, applied)
				b.put(name, 1, 1, true)
				b.wantWhole(name, 1)
			}
			b.put("w1", 2, 2, true)
			b.table.failNext(1, table.ErrUnknown, applied)
			if w, err := b.SetLive(t.Context(), tenant, "w1", 1); err != nil || w.Live != 1 {
				t.Fatalf("SetLive = %+v, %v", w, err)
			}
			b.table.failNext(1, table.ErrUnknown, applied)
			b.put("w1", 2, 2, false)
			b.table.failNext(1, table.ErrUnknown, applied)
			if err := b.Delete(t.Context(), tenant, "w1"); err != nil {
				t.Fatalf("Delete = %v", err)
			}
		})
	}
}

// A Put whose answer was lost, and which another process has superseded before
// it looked again, still is the version it wrote.
func TestALostAnswerThatWasSuperseded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 0)
	b.put("orders", 0, 1, true)
	b.table.failNext(1, table.ErrUnknown, true)
	other, once := b.another(), sync.Once{}
	supersede := func() {
		if b.table.writes.Load() >= b.table.failAt.Load() { // the lost write is applied
			once.Do(func() {
				b.table.onGet.Store(nil)
				if v, _, err := other.Put(t.Context(), tenant, "orders", document(t, "orders", 9)); err != nil || v != 3 {
					t.Errorf("the other's Put = %d, %v; want 3", v, err)
				}
			})
		}
	}
	b.table.onGet.Store(&supersede)
	b.put("orders", 1, 2, true)
	b.wantWhole("orders", 3)
}

// A table that is busy for a moment is waited for; one that stays busy is an
// error, and nothing has changed.
func TestABusyTable(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 0)
	b.put("orders", 1, 1, true)
	b.table.failNext(1, table.ErrBusy, false)
	b.put("orders", 2, 2, true)
	b.table.failFrom(1, table.ErrBusy)
	if _, _, err := b.Put(t.Context(), tenant, "orders", document(t, "orders", 3)); !errors.Is(err, table.ErrBusy) {
		t.Fatalf("Put = %v, want ErrBusy", err)
	}
	b.table.failNext(0, nil, false)
	b.wantWhole("orders", 2)
}
