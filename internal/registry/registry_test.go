package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/registry"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

func TestPutMakesVersionsAndMakesThemLive(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.put("orders", 1, 1, true)
		b.wantLive(b.Registry, "orders", 1)
		b.put("orders", 1, 1, false)
		b.put("orders", 2, 2, true)
		b.wantLive(b.Registry, "orders", 2)
		b.put("orders", 1, 3, true) // neither live nor latest: a new version

		versions, err := b.Versions(t.Context(), tenant, "orders")
		if err != nil || len(versions) != 3 || versions[0].Version != 3 || versions[2].Version != 1 {
			t.Fatalf("Versions = %+v, %v; want 3, 2, 1", versions, err)
		}
		if versions[0].SHA256 != versions[2].SHA256 || versions[0].SHA256 == versions[1].SHA256 {
			t.Fatalf("hashes %+v: want those of versions 1 and 3 equal, 2 different", versions)
		}
		v, err := b.Version(t.Context(), tenant, "orders", 2)
		if want := string(document(t, "orders", 2).Source()); err != nil || string(v.Source) != want {
			t.Fatalf("Version 2 = %s, %v; want %s", v.Source, err, want)
		}
	})
}

func TestAnUnchangedDocumentOfTheLatestVersionGoesLiveAgain(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.put("orders", 1, 1, true)
		b.put("orders", 2, 2, true)
		if w, err := b.SetLive(t.Context(), tenant, "orders", 1); err != nil || w.Live != 1 || w.Latest != 2 {
			t.Fatalf("SetLive 1 = %+v, %v", w, err)
		}
		b.wantLive(b.Registry, "orders", 1)
		b.put("orders", 1, 1, false)
		b.wantLive(b.Registry, "orders", 1)
		b.put("orders", 2, 2, false)
		b.wantLive(b.Registry, "orders", 2)
	})
}

func TestPutRefusesAnotherName(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		_, _, err := b.Put(t.Context(), tenant, "orders", document(t, "invoices", 1))
		wantCode(t, err, problem.Invalid)
		if n := b.table.writes.Load(); n != 0 {
			t.Fatalf("%d writes, want none", n)
		}
	})
}

func TestSetLiveRefusesWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.put("orders", 1, 1, true)
		for _, v := range []int{-1, 0, 2} {
			_, err := b.SetLive(t.Context(), tenant, "orders", v)
			wantCode(t, err, problem.NotFound)
		}
		_, err := b.SetLive(t.Context(), tenant, "unknown", 1)
		wantCode(t, err, problem.NotFound)
		b.wantLive(b.Registry, "orders", 1)
	})
}

func TestDeleteHidesAndPutShowsAgain(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.put("orders", 1, 1, true)
		b.open.Store(true)
		wantCode(t, b.Delete(t.Context(), tenant, "orders"), problem.Conflict)
		b.wantLive(b.Registry, "orders", 1)

		b.open.Store(false)
		if err := b.Delete(t.Context(), tenant, "orders"); err != nil {
			t.Fatal(err)
		}
		wantCode(t, b.Delete(t.Context(), tenant, "orders"), problem.NotFound)
		_, _, err := b.Live(t.Context(), tenant, "orders")
		wantCode(t, err, problem.NotFound)
		_, err = b.Get(t.Context(), tenant, "orders")
		wantCode(t, err, problem.NotFound)
		_, err = b.Version(t.Context(), tenant, "orders", 1)
		wantCode(t, err, problem.NotFound)
		_, err = b.Versions(t.Context(), tenant, "orders")
		wantCode(t, err, problem.NotFound)
		_, err = b.SetLive(t.Context(), tenant, "orders", 1)
		wantCode(t, err, problem.NotFound)
		if found, _, err := b.List(t.Context(), tenant, "", 10); err != nil || len(found) != 0 {
			t.Fatalf("List = %+v, %v; want nothing", found, err)
		}
		if d, err := b.another().Document(t.Context(), tenant, "orders", 1); err != nil || d.Name != "orders" {
			t.Fatalf("Document of a hidden name = %v, %v; its executions still need it", d, err)
		}

		b.put("orders", 1, 1, false)
		b.wantLive(b.Registry, "orders", 1)
		if err := b.Delete(t.Context(), tenant, "orders"); err != nil {
			t.Fatal(err)
		}
		b.put("orders", 2, 2, true)
		b.wantLive(b.Registry, "orders", 2)
	})
}

func TestListPages(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		for i := range 7 {
			b.put(fmt.Sprintf("w%d", i), 1, 1, true)
		}
		if err := b.Delete(t.Context(), tenant, "w3"); err != nil {
			t.Fatal(err)
		}
		var names []string
		after, pages := "", 0
		for more := true; more; pages++ {
			found, m, err := b.List(t.Context(), tenant, after, 2)
			if err != nil || len(found) == 0 || len(found) > 2 {
				t.Fatalf("List after %q = %+v, %v", after, found, err)
			}
			for _, w := range found {
				names = append(names, w.Name)
			}
			after, more = found[len(found)-1].Name, m
		}
		if got := strings.Join(names, " "); got != "w0 w1 w2 w4 w5 w6" || pages != 3 {
			t.Fatalf("%d pages: %s", pages, got)
		}
	})
}

func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.put("orders", 1, 1, true)
		_, err := b.Get(t.Context(), "other", "orders")
		wantCode(t, err, problem.NotFound)
		_, err = b.Document(t.Context(), "other", "orders", 1)
		wantCode(t, err, problem.NotFound)
	})
}

func TestTheTenantsRecordComesFirst(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 0)
	b.table.failNext(2, errCrash, false) // the version and its head are not written
	if _, _, err := b.Put(t.Context(), tenant, "orders", document(t, "orders", 1)); err == nil {
		t.Fatal("Put succeeded although its write failed")
	}
	items, err := b.table.Table.Get(t.Context(), []table.Key{{PK: record.TenantsPK, SK: tenant}}, true)
	if err != nil || len(items) != 1 || items[0].Attrs["shards"].Int() != 1 || items[0].Attrs["fv"].Int() != record.FV {
		t.Fatalf("tenant's record = %+v, %v; want shards 1 before the first workflow exists", items, err)
	}
}

func TestNamesThatCannotExistAreNotFound(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.put("orders", 1, 1, true)
		for _, name := range []string{"", "a#b", "~due", "\xff", strings.Repeat("x", 3000), "nobody"} {
			_, _, err := b.Live(t.Context(), tenant, name)
			wantCode(t, err, problem.NotFound)
			_, err = b.Get(t.Context(), tenant, name)
			wantCode(t, err, problem.NotFound)
			_, err = b.Document(t.Context(), tenant, name, 1)
			wantCode(t, err, problem.NotFound)
		}
		for _, v := range []int{-1, 0, 2, 1_000_000} {
			_, err := b.Document(t.Context(), tenant, "orders", v)
			wantCode(t, err, problem.NotFound)
		}
	})
}

func TestNewerFormatsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 0)
	b.put("orders", 1, 1, true)
	for _, k := range []table.Key{{PK: tenant + "#w", SK: "orders"}, {PK: tenant + "#w#orders", SK: "v000001"}} {
		if _, err := b.table.Write(t.Context(), table.Write{
			Key: k, Kind: table.Update, Set: table.Attrs{"fv": table.Int(record.FV + 1)}, If: table.IfPresent(),
		}); err != nil {
			t.Fatal(err)
		}
	}
	fresh := b.another()
	_, err := fresh.Get(t.Context(), tenant, "orders")
	if err == nil || !strings.Contains(err.Error(), "format version 2") {
		t.Fatalf("Get = %v, want an error that names the format version", err)
	}
	if _, err = fresh.Document(t.Context(), tenant, "orders", 1); err == nil || !strings.Contains(err.Error(), "format version 2") {
		t.Fatalf("Document = %v, want an error that names the format version", err)
	}
}

func TestNewWantsItsPorts(t *testing.T) {
	t.Parallel()
	if _, err := registry.New(registry.Config{}); err == nil {
		t.Fatal("New of nothing succeeded")
	}
}
