package tabletest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

func gets(t *testing.T, b *bench) {
	var keys []table.Key
	for i := range table.MaxGet - 2 {
		k := key("p", fmt.Sprintf("%03d", i))
		keys = append(keys, k)
		b.put(k, table.Attrs{"i": table.Int(int64(i))})
	}
	keys = append(keys, key("p", "absent"), key("p", "000"))
	for _, strong := range []bool{true, false} {
		items, err := b.Get(t.Context(), keys, strong)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[table.Key]bool{}
		for _, it := range items {
			if want := fmt.Sprintf("%03d", it.Attrs["i"].Int()); it.SK != want || seen[it.Key] {
				t.Errorf("item %v, read before: %v, holds the values of %s", it.Key, seen[it.Key], want)
			}
			seen[it.Key] = true
		}
		if strong && len(items) != table.MaxGet-2 || len(items) > table.MaxGet-2 {
			t.Errorf("strong %v: %d items, want %d", strong, len(items), table.MaxGet-2)
		}
	}
	if items, err := b.Get(t.Context(), nil, true); err != nil || len(items) != 0 {
		t.Errorf("no keys: %v, %v", items, err)
	}
	_, err := b.Get(t.Context(), append(keys, key("p", "one too many")), true)
	wantInvalid(t, "101 keys", err)
	_, err = b.Get(t.Context(), []table.Key{key("p", "")}, true)
	wantInvalid(t, "an empty sk", err)
}

// Keys in bytewise order, whatever the order they were written in.
func queryOrder(t *testing.T, b *bench) {
	sks := []string{"\x00", "\x01", "0", "1", "1#2", "10", "Z", "a", "a\x00", "aa", "s#1#x", "z", "é", "☃", "😀"}
	if !slices.IsSorted(sks) {
		t.Fatal("the list must be sorted")
	}
	for i := range sks {
		b.put(key("p", sks[i*7%len(sks)]), table.Attrs{"n": table.Int(1)})
		b.put(key("p2", sks[i]), nil)
	}
	var want []string
	for _, sk := range sks {
		want = append(want, "p/"+sk)
	}
	b.want(table.Query{PK: "p"}, want...)
	slices.Reverse(want)
	b.want(table.Query{PK: "p", Desc: true}, want...)
	b.want(table.Query{PK: "nobody"})
}

func queryBounds(t *testing.T, b *bench) {
	for _, sk := range []string{"0", "r#1", "s#1#a", "s#1#b", "s#2#a", "t"} {
		b.put(key("p", sk), nil)
	}
	b.want(table.Query{PK: "p", From: "s#1#", To: "s#1#\U0010ffff"}, "p/s#1#a", "p/s#1#b")
	b.want(table.Query{PK: "p", From: "s#1#a", To: "s#1#b"}, "p/s#1#a", "p/s#1#b")
	b.want(table.Query{PK: "p", From: "s#2"}, "p/s#2#a", "p/t")
	b.want(table.Query{PK: "p", To: "r#1"}, "p/0", "p/r#1")
	b.want(table.Query{PK: "p", From: "s#1#a", To: "s#2#a", Desc: true}, "p/s#2#a", "p/s#1#b", "p/s#1#a")
	b.want(table.Query{PK: "p", From: "u", To: "z"})
}

func pagination(t *testing.T, b *bench) {
	var asc []string
	for i := range 23 {
		sk := fmt.Sprintf("%02d", i)
		b.put(key("p", sk), table.Attrs{"n": table.Int(int64(i))})
		asc = append(asc, "p/"+sk)
	}
	desc := slices.Clone(asc)
	slices.Reverse(desc)
	for _, limit := range []int{1, 2, 7, 22, 23, 24, 100} {
		b.want(table.Query{PK: "p", Limit: limit}, asc...)
		b.want(table.Query{PK: "p", Limit: limit, Desc: true}, desc...)
		b.want(table.Query{PK: "p", From: "05", To: "09", Limit: limit}, asc[5:10]...)
		b.want(table.Query{PK: "p", From: "05", To: "09", Limit: limit, Desc: true}, desc[13:18]...)
	}
	for _, it := range b.all(table.Query{PK: "p", Limit: 3}) {
		if fmt.Sprintf("%02d", it.Attrs["n"].Int()) != it.SK {
			t.Errorf("%s holds %v", it.SK, it.Attrs)
		}
	}
}

// A cursor goes on after the item it stands for, whatever happens to that item.
func cursors(t *testing.T, b *bench) {
	for i := range 9 {
		b.put(key("p", fmt.Sprint(i)), nil)
	}
	q := table.Query{PK: "p", Strong: true, Limit: 3}
	var first []table.Item
	for len(first) == 0 { // a page may be empty
		page, err := b.Query(t.Context(), q)
		if err != nil || page.Next == "" {
			t.Fatalf("page %v, %v", page, err)
		}
		first, q.After = page.Items, page.Next
	}
	last := first[len(first)-1].Key
	b.write(table.Write{Key: last, Kind: table.Delete, If: table.Always()})
	b.put(key("p", last.SK+"5"), nil)
	b.put(key("p", "-"), nil)
	rest := keysOf(b.all(q))
	if !strings.HasPrefix(rest, "p/"+last.SK+"5 ") || !strings.HasSuffix(rest, "p/8") || strings.Contains(rest, "p/-") {
		t.Errorf("after %s came %s", last.SK, rest)
	}
	for what, change := range map[string]func(*table.Query){
		"garbage":         func(q *table.Query) { q.After = "garbage" },
		"another pk":      func(q *table.Query) { q.PK = "p2" },
		"other bounds":    func(q *table.Query) { q.From = "1" },
		"other direction": func(q *table.Query) { q.Desc = true },
		"an index":        func(q *table.Query) { q.Index, q.Strong = table.Hist, false },
		"half of it":      func(q *table.Query) { q.After = q.After[:len(q.After)/2] },
	} {
		other := q
		change(&other)
		if _, err := b.Query(t.Context(), other); !errors.Is(err, table.ErrBadCursor) {
			t.Errorf("cursor with %s: got %v, want ErrBadCursor", what, err)
		}
	}
	larger := q
	larger.Limit, larger.Strong = 50, false
	if _, err := b.Query(t.Context(), larger); err != nil {
		t.Errorf("another page size must not matter: %v", err)
	}
}

func invalidQueries(t *testing.T, b *bench) {
	for what, q := range map[string]table.Query{
		"no partition":       {},
		"unknown index":      {Index: "nope", PK: "p"},
		"strong on hist":     {Index: table.Hist, PK: "p", Strong: true},
		"strong on due":      {Index: table.Due, PK: "p", Strong: true},
		"a negative limit":   {PK: "p", Limit: -1},
		"due bound no digit": {Index: table.Due, PK: "p", From: "soon"},
		"due bound too big":  {Index: table.Due, PK: "p", To: "99999999999999999999"},
	} {
		_, err := b.Query(t.Context(), q)
		wantInvalid(t, what, err)
	}
}

func histIndex(t *testing.T, b *bench) {
	item := func(n string) table.Attrs {
		return table.Attrs{
			table.HistPK: table.String("h"), table.HistWork: table.String("flow-" + n),
			"st": table.String("queued"), table.DuePK: table.String("q"), table.DueSK: table.Int(1),
		}
	}
	for _, n := range []string{"3", "1", "2"} {
		b.put(key("ex"+n, "0"), item(n))
		b.put(key("ex"+n, "s"), table.Attrs{"st": table.String("not in the index")})
	}
	items := b.all(table.Query{Index: table.Hist, PK: "h"})
	if got := keysOf(items); got != "ex1/0 ex2/0 ex3/0" {
		t.Fatalf("in the index: %s", got)
	}
	for _, it := range items {
		want := table.Attrs{table.HistPK: table.String("h"), table.HistWork: table.String("flow-" + it.PK[2:])}
		if !same(it.Attrs, want) {
			t.Errorf("projected %v, want %v", it.Attrs, want)
		}
	}
	b.want(table.Query{Index: table.Hist, PK: "h", From: "ex2", Desc: true}, "ex3/0", "ex2/0")
	b.want(table.Query{Index: table.Hist, PK: "h", From: "ex2", To: "ex2"}, "ex2/0")

	// Sparse: leaving, moving, coming back, and being deleted.
	b.write(table.Write{Key: key("ex1", "0"), Kind: table.Update, Remove: []string{table.HistPK}, If: table.IfPresent()})
	b.write(table.Write{Key: key("ex2", "0"), Kind: table.Update, Set: table.Attrs{table.HistPK: table.String("other")}, If: table.IfPresent()})
	b.want(table.Query{Index: table.Hist, PK: "h"}, "ex3/0")
	b.want(table.Query{Index: table.Hist, PK: "other"}, "ex2/0")
	b.put(key("ex1", "0"), item("1"))
	b.write(table.Write{Key: key("ex3", "0"), Kind: table.Delete, If: table.Always()})
	b.want(table.Query{Index: table.Hist, PK: "h"}, "ex1/0")
	b.put(key("ex1", "0"), table.Attrs{"st": table.String("a Put without hp leaves")})
	b.want(table.Query{Index: table.Hist, PK: "h"})
}

func dueIndex(t *testing.T, b *bench) {
	k := key("ex", "0")
	due := func(at int64) table.Attrs {
		return table.Attrs{table.DuePK: table.String("q"), table.DueSK: table.Int(at)}
	}
	b.put(k, table.Attrs{"st": table.String("waiting"), table.HistPK: table.String("h")})
	b.want(table.Query{Index: table.Due, PK: "q"})
	b.write(table.Write{Key: k, Kind: table.Update, Set: due(50), If: table.IfPresent()})
	items := b.all(table.Query{Index: table.Due, PK: "q"})
	if len(items) != 1 || !same(items[0].Attrs, due(50)) {
		t.Fatalf("in the index: %v", items)
	}
	b.write(table.Write{Key: k, Kind: table.Update, Set: due(70), If: table.IfPresent()})
	b.want(table.Query{Index: table.Due, PK: "q", To: "69"})
	b.want(table.Query{Index: table.Due, PK: "q", From: "70", To: "70"}, "ex/0")
	b.write(table.Write{Key: k, Kind: table.Update, Add: map[string]int64{table.DueSK: 5}, If: table.IfPresent()})
	b.want(table.Query{Index: table.Due, PK: "q", From: "71"}, "ex/0")
	b.write(table.Write{Key: k, Kind: table.Update, Remove: []string{table.DueSK}, If: table.IfPresent()})
	b.want(table.Query{Index: table.Due, PK: "q"}) // not without its sort attribute
	b.write(table.Write{Key: k, Kind: table.Update, Set: due(80), If: table.IfPresent()})
	b.want(table.Query{Index: table.Due, PK: "q"}, "ex/0")
	b.write(table.Write{Key: k, Kind: table.Update, Remove: []string{table.DuePK, table.DueSK}, If: table.IfPresent()})
	b.want(table.Query{Index: table.Due, PK: "q"})
	b.want(table.Query{Index: table.Hist, PK: "h"}, "ex/0") // the other index kept it
}

// The due index orders numbers as numbers.
func dueOrder(t *testing.T, b *bench) {
	for _, n := range []int64{10, 9, -1, 1 << 62, 100, -20, 0} {
		b.put(key(fmt.Sprint("e", n), "0"), table.Attrs{table.DuePK: table.String("q"), table.DueSK: table.Int(n)})
	}
	b.want(table.Query{Index: table.Due, PK: "q"}, "e-20/0", "e-1/0", "e0/0", "e9/0", "e10/0", "e100/0", fmt.Sprintf("e%d/0", int64(1)<<62))
	b.want(table.Query{Index: table.Due, PK: "q", From: "-1", To: "10", Desc: true}, "e10/0", "e9/0", "e0/0", "e-1/0")
}

// Entries of one sort value are paged through without loss or repetition, in
// whatever order: DynamoDB promises none among them.
func indexPagination(t *testing.T, b *bench) {
	var want []string
	for i := range 12 {
		k := key(fmt.Sprintf("e%02d", i), "0")
		b.put(k, table.Attrs{table.HistPK: table.String("h"), table.DuePK: table.String("q"), table.DueSK: table.Int(int64(i / 6))})
		want = append(want, k.PK+"/0")
	}
	back := slices.Clone(want)
	slices.Reverse(back)
	for _, limit := range []int{1, 5, 12, 13} {
		b.want(table.Query{Index: table.Hist, PK: "h", Limit: limit}, want...)
		b.want(table.Query{Index: table.Hist, PK: "h", Limit: limit, Desc: true}, back...)
		for _, desc := range []bool{false, true} {
			items := b.all(table.Query{Index: table.Due, PK: "q", Limit: limit, Desc: desc})
			due := func(a, b table.Item) int { return cmp.Compare(a.Attrs[table.DueSK].Int(), b.Attrs[table.DueSK].Int()) }
			if desc {
				slices.Reverse(items)
			}
			if got := strings.Fields(keysOf(items)); !slices.IsSortedFunc(items, due) || !slices.Equal(slices.Sorted(slices.Values(got)), want) {
				t.Errorf("limit %d, backwards %v: %v", limit, desc, got)
			}
		}
	}
}

// Without a limit a page ends at about 1 MB of data.
func pageOfData(t *testing.T, b *bench) {
	for i := range 5 {
		b.put(key("p", fmt.Sprint(i)), table.Attrs{"v": table.String(strings.Repeat("x", 300<<10))})
	}
	page, err := b.Query(t.Context(), table.Query{PK: "p", Strong: true})
	if err != nil || len(page.Items) == 0 || len(page.Items) == 5 || page.Next == "" {
		t.Fatalf("%d items of 300 KB on a page, next %q, %v", len(page.Items), page.Next, err)
	}
	b.want(table.Query{PK: "p"}, "p/0", "p/1", "p/2", "p/3", "p/4")
}
