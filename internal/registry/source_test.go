package registry_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/registry"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// source is a valid source of the name; different ns differ.
func source(t *testing.T, name string, n int) *workflow.Source {
	t.Helper()
	s, err := workflow.ParseSource(fmt.Appendf(nil, `{"name":%q,"verify":{"secrets":["s%d"]},"start":{"workflow":"w"}}`, name, n))
	if err != nil {
		t.Fatalf("the test's own source is refused: %v", err)
	}
	return s
}

func (b *bundle) putSource(name string, n int, created bool) {
	b.t.Helper()
	if c, err := b.PutSource(b.t.Context(), tenant, name, source(b.t, name, n)); err != nil || c != created {
		b.t.Fatalf("PutSource %s #%d = %t, %v; want %t", name, n, c, err, created)
	}
}

// wantSource demands the secret of source #n, or none for 0.
func (b *bundle) wantSource(r *registry.Registry, name string, n int) {
	b.t.Helper()
	s, err := r.LiveSource(b.t.Context(), tenant, name)
	switch {
	case err != nil:
		b.t.Fatal(err)
	case n == 0 && s != nil:
		b.t.Errorf("%s is %s, want none", name, s.Source())
	case n != 0 && (s == nil || s.Secrets[0] != fmt.Sprintf("s%d", n)):
		b.t.Errorf("%s is %v, want #%d", name, s, n)
	}
}

func TestSourcesAreReplacedAndRemoved(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.wantSource(b.Registry, "shop", 0)
		b.putSource("shop", 1, true)
		b.wantSource(b.Registry, "shop", 1)
		writes := b.table.writes.Load()
		b.putSource("shop", 1, false)
		if b.table.writes.Load() != writes {
			t.Error("an unchanged source was written")
		}
		b.putSource("shop", 2, false)
		b.wantSource(b.Registry, "shop", 2)
		got, err := b.Source(t.Context(), tenant, "shop")
		if err != nil || got.Name != "shop" || !got.Updated.Equal(b.clock.now()) || !strings.Contains(string(got.Source), `"s2"`) {
			t.Errorf("got %+v, %v", got, err)
		}
		if err := b.DeleteSource(t.Context(), tenant, "shop"); err != nil {
			t.Fatal(err)
		}
		b.wantSource(b.Registry, "shop", 0)
		_, err = b.Source(t.Context(), tenant, "shop")
		wantCode(t, err, problem.NotFound)
		wantCode(t, b.DeleteSource(t.Context(), tenant, "shop"), problem.NotFound)
		b.putSource("shop", 1, true)
	})
}

// A change made elsewhere counts within LiveFor, that of a source which was not
// there before included.
func TestSourcesOfAnotherProcess(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		other := b.another()
		b.wantSource(other, "shop", 0)
		b.putSource("shop", 1, true)
		b.clock.pass(registry.LiveFor - time.Millisecond)
		gets := b.table.gets.Load()
		b.wantSource(other, "shop", 0)
		if b.table.gets.Load() != gets {
			t.Error("a source that is not there is looked for each time")
		}
		b.clock.pass(time.Millisecond)
		b.wantSource(other, "shop", 1)
	})
}

func TestSourcesOfImpossibleNames(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 0)
	b.putSource("shop", 1, true)
	for _, c := range []struct{ tenant, name string }{{tenant, "a#b"}, {tenant, "~due"}, {tenant, ""}, {tenant + "#src", "shop"}, {"", "shop"}} {
		s, err := b.LiveSource(t.Context(), c.tenant, c.name)
		if s != nil || err != nil {
			t.Errorf("%v: got %v, %v", c, s, err)
		}
	}
	_, err := b.PutSource(t.Context(), tenant, "other", source(t, "shop", 1))
	wantCode(t, err, problem.Invalid)
}

// An answer that is lost, or a process that dies, leaves the one state or the
// other, and the caller learns which.
func TestSourceWritesThatAreUnclear(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		b := newBundle(t, 0)
		b.putSource("warm", 1, true) // the tenant's record is there
		b.table.failNext(1, table.ErrUnknown, after)
		b.putSource("shop", 1, true)
		b.wantSource(b.Registry, "shop", 1)
		b.table.failNext(1, table.ErrUnknown, after)
		if err := b.DeleteSource(t.Context(), tenant, "shop"); err != nil {
			t.Errorf("after %t: %v", after, err)
		}
		b.wantSource(b.Registry, "shop", 0)
		b.table.failNext(1, errCrash, after)
		if _, err := b.PutSource(t.Context(), tenant, "shop", source(t, "shop", 2)); !errors.Is(err, errCrash) {
			t.Errorf("got %v", err)
		}
		want := 0
		if after {
			want = 2
		}
		b.wantSource(b.another(), "shop", want)
	}
}

func TestListSources(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		for i, name := range []string{"c", "a", "b"} {
			b.putSource(name, i+1, true)
		}
		b.put("workflow", 1, 1, true) // not among them
		var names []string
		for after, more := "", true; more; {
			var found []registry.Source
			var err error
			if found, more, err = b.Sources(t.Context(), tenant, after, 2); err != nil {
				t.Fatal(err)
			}
			for _, s := range found {
				names = append(names, s.Name)
				after = s.Name
			}
		}
		if strings.Join(names, "") != "abc" {
			t.Errorf("got %v", names)
		}
	})
}
