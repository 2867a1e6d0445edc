package registry_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/registry"
)

func TestLiveIsKeptForTwoSeconds(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.put("orders", 1, 1, true)
		other := b.another()
		b.wantLive(other, "orders", 1)
		b.put("orders", 2, 2, true)

		before := b.table.gets.Load()
		b.clock.pass(registry.LiveFor - time.Millisecond)
		b.wantLive(other, "orders", 1)
		if n := b.table.gets.Load() - before; n != 0 {
			t.Fatalf("%d reads within %v, want none", n, registry.LiveFor)
		}
		b.clock.pass(time.Millisecond)
		b.wantLive(other, "orders", 2)
	})
}

func TestAChangeInThisProcessCountsAtOnce(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.put("orders", 1, 1, true)
		b.wantLive(b.Registry, "orders", 1)
		b.put("orders", 2, 2, true)
		b.wantLive(b.Registry, "orders", 2)
		if _, err := b.SetLive(t.Context(), tenant, "orders", 1); err != nil {
			t.Fatal(err)
		}
		b.wantLive(b.Registry, "orders", 1)
		if err := b.Delete(t.Context(), tenant, "orders"); err != nil {
			t.Fatal(err)
		}
		_, _, err := b.Live(t.Context(), tenant, "orders")
		wantCode(t, err, problem.NotFound)
	})
}

// A load that read the old head must not be kept, nor shared with who asks
// after the change.
func TestALoadBegunBeforeAChangeIsNotKept(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 0)
	b.put("orders", 1, 1, true)
	loaded, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	hold := func() {
		once.Do(func() {
			close(loaded)
			<-goOn
		})
	}
	b.table.afterGet.Store(&hold)
	old := make(chan int, 1)
	go func() {
		v, _, err := b.Live(t.Context(), tenant, "orders")
		if err != nil {
			t.Errorf("the held Live: %v", err)
		}
		old <- v
	}()
	<-loaded
	b.table.afterGet.Store(nil)
	b.put("orders", 2, 2, true)
	b.wantLive(b.Registry, "orders", 2) // not by joining the held load
	close(goOn)
	if v := <-old; v != 1 {
		t.Fatalf("the held Live = %d: the test does not hold what it should", v)
	}
	b.wantLive(b.Registry, "orders", 2)
}

func TestConcurrentLoadsAreShared(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 0)
	b.put("orders", 1, 1, true)
	fresh := b.another()
	began, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	wait := func() {
		once.Do(func() { close(began) })
		<-goOn
	}
	b.table.onGet.Store(&wait)
	before := b.table.gets.Load()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if v, _, err := fresh.Live(t.Context(), tenant, "orders"); err != nil || v != 1 {
				t.Errorf("Live = %d, %v", v, err)
			}
		})
	}
	<-began
	close(goOn)
	wg.Wait()
	// Two a load; who came after the first load ended is served from memory.
	if n := b.table.gets.Load() - before; n > 4 {
		t.Fatalf("%d reads for 50 callers, want them shared", n)
	}
}

func TestDocumentsAreReadOnce(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.put("orders", 1, 1, true)
		first, err := b.Document(t.Context(), tenant, "orders", 1)
		if err != nil {
			t.Fatal(err)
		}
		before := b.table.gets.Load()
		again, err := b.Document(t.Context(), tenant, "orders", 1)
		if err != nil || again != first || b.table.gets.Load() != before {
			t.Fatalf("Document again = %p, %v after %d reads; want the same %p without a read", again, err, b.table.gets.Load()-before, first)
		}
	})
}

func TestUnknownNamesAreNotKept(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		other := b.another()
		_, _, err := other.Live(t.Context(), tenant, "orders")
		wantCode(t, err, problem.NotFound)
		b.put("orders", 1, 1, true)
		b.wantLive(other, "orders", 1)
	})
}

func TestAReadErrorIsNotKept(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.put("orders", 1, 1, true)
		fresh := b.another()
		b.table.failGet.Store(&errCrash)
		if _, _, err := fresh.Live(t.Context(), tenant, "orders"); !errors.Is(err, errCrash) {
			t.Fatalf("Live = %v, want the table's error", err)
		}
		b.table.failGet.Store(nil)
		b.wantLive(fresh, "orders", 1)
	})
}
