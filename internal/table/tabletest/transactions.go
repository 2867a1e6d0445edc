package tabletest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

func transact(t *testing.T, b *bench) {
	b.put(key("a", "update"), table.Attrs{"n": table.Int(1), "keep": table.Int(1)})
	b.put(key("a", "delete"), table.Attrs{"n": table.Int(1)})
	b.put(key("a", "check"), table.Attrs{"n": table.Int(1)})
	err := b.Transact(t.Context(), "t1", []table.Write{
		{Key: key("a", "put"), Kind: table.Put, Set: table.Attrs{"n": table.Int(2)}, If: table.IfAbsent()},
		{Key: key("a", "update"), Kind: table.Update, Add: map[string]int64{"n": 1}, If: table.IfPresent()},
		{Key: key("a", "delete"), Kind: table.Delete, If: table.IfPresent()},
		{Key: key("a", "check"), Kind: table.Check, If: table.IfPresent()},
	})
	if err != nil {
		t.Fatal(err)
	}
	for sk, want := range map[string]table.Attrs{
		"put":    {"n": table.Int(2)},
		"update": {"n": table.Int(2), "keep": table.Int(1)},
		"delete": nil,
		"check":  {"n": table.Int(1)},
	} {
		if got := b.item(key("a", sk)); !same(got, want) {
			t.Errorf("%s: %v, want %v", sk, got, want)
		}
	}
}

// One condition that does not hold, wherever it stands: nothing is written.
func transactRefused(t *testing.T, b *bench) {
	for _, kind := range []table.WriteKind{table.Put, table.Update, table.Delete, table.Check} {
		for at := range 3 {
			pk := fmt.Sprint("p", kind, at)
			b.put(key(pk, "taken"), table.Attrs{"who": table.String("was here")})
			var ws []table.Write
			for i := range 2 {
				ws = append(ws, table.Write{Key: key(pk, fmt.Sprint("new", i)), Kind: table.Put, Set: table.Attrs{"n": table.Int(1)}, If: table.IfAbsent()})
			}
			bad := table.Write{Key: key(pk, "taken"), Kind: kind, If: table.IfAbsent()}
			ws = append(ws[:at], append([]table.Write{bad}, ws[at:]...)...)
			err := b.Transact(t.Context(), "token "+pk, ws)
			if old, failed := table.Failed(err); !failed || old["who"] != table.String("was here") {
				t.Errorf("kind %d at %d: %v with old image %v", kind, at, err, old)
			}
			b.want(table.Query{PK: pk}, pk+"/taken")
		}
	}
	_, err := b.Write(t.Context(), table.Write{Key: key("p", "n"), Kind: table.Put, Set: table.Attrs{"n": table.String("x")}, If: table.Always()})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Transact(t.Context(), "add to a string", []table.Write{
		{Key: key("p", "m"), Kind: table.Put, If: table.Always()},
		{Key: key("p", "n"), Kind: table.Update, Add: map[string]int64{"n": 1}, If: table.Always()},
	})
	wantInvalid(t, "adding to a string", err)
	b.want(table.Query{PK: "p"}, "p/n")
}

func transactToken(t *testing.T, b *bench) {
	add := []table.Write{{Key: key("a", "n"), Kind: table.Update, Add: map[string]int64{"n": 1}, If: table.Always()}}
	for range 3 {
		if err := b.Transact(t.Context(), "once", add); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.item(key("a", "n"))["n"].Int(); n != 1 {
		t.Errorf("the same token applied %d times", n)
	}
	other := []table.Write{{Key: key("a", "n"), Kind: table.Update, Add: map[string]int64{"n": 100}, If: table.Always()}}
	wantInvalid(t, "the token with other writes", b.Transact(t.Context(), "once", other))
	if err := b.Transact(t.Context(), "another", other); err != nil {
		t.Fatal(err)
	}
	time.Sleep(11 * time.Minute) // of the bubble: a token counts for ten minutes
	if err := b.Transact(t.Context(), "once", add); err != nil {
		t.Fatal(err)
	}
	if n := b.item(key("a", "n"))["n"].Int(); n != 102 {
		t.Errorf("n is %d, want 102: a token is forgotten after ten minutes", n)
	}
	if b.mode == Reliable {
		for range 2 {
			if err := b.Transact(t.Context(), "", add); err != nil {
				t.Fatal(err)
			}
		}
		if n := b.item(key("a", "n"))["n"].Int(); n != 104 {
			t.Errorf("n is %d, want 104: no token remembers nothing", n)
		}
	}
	// A refused transaction does not use its token up.
	guarded := []table.Write{{Key: key("a", "late"), Kind: table.Check, If: table.IfPresent()}}
	if _, failed := table.Failed(b.Transact(t.Context(), "guarded", guarded)); !failed {
		t.Error("the check did not fail")
	}
	b.put(key("a", "late"), nil)
	if err := b.Transact(t.Context(), "guarded", guarded); err != nil {
		t.Errorf("tried again when it holds: %v", err)
	}
}

// Transfers between accounts at once: the sum stays.
func concurrentTransact(t *testing.T, b *bench) {
	const accounts, transfers = 4, 40
	account := func(i int) table.Key { return key("bank", fmt.Sprint(i%accounts)) }
	for i := range accounts {
		b.put(account(i), table.Attrs{"n": table.Int(10)})
	}
	enough := table.All(table.Test{Attr: "n", Op: table.Gt, Value: table.Int(0)})
	var wg sync.WaitGroup
	for i := range transfers {
		wg.Go(func() {
			err := b.Transact(t.Context(), fmt.Sprint("transfer", i), []table.Write{
				{Key: account(i), Kind: table.Update, Add: map[string]int64{"n": -1}, If: enough},
				{Key: account(i*3 + 1), Kind: table.Update, Add: map[string]int64{"n": 1}, If: table.IfPresent()},
			})
			if _, failed := table.Failed(err); err != nil && !failed {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sum := int64(0)
	for i := range accounts {
		sum += b.item(account(i))["n"].Int()
	}
	if sum != 10*accounts {
		t.Errorf("the sum is %d, want %d", sum, 10*accounts)
	}
}

func invalidTransact(t *testing.T, b *bench) {
	put := func(sk string) table.Write {
		return table.Write{Key: key("a", sk), Kind: table.Put, If: table.Always()}
	}
	var many []table.Write
	for i := range table.MaxTransact + 1 {
		many = append(many, put(fmt.Sprint(i)))
	}
	bad := put("x")
	bad.If = nil
	wantInvalid(t, "no writes", b.Transact(t.Context(), "0", nil))
	wantInvalid(t, "26 writes", b.Transact(t.Context(), "1", many))
	wantInvalid(t, "one item twice", b.Transact(t.Context(), "2", []table.Write{put("x"), put("x")}))
	wantInvalid(t, "no condition", b.Transact(t.Context(), "3", []table.Write{put("y"), bad}))
	b.want(table.Query{PK: "a"})
	if err := b.Transact(t.Context(), "4", many[:table.MaxTransact]); err != nil {
		t.Errorf("25 writes: %v", err)
	}
}
