package tabletest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// outcomes lists, for every comparison, whether it holds for: the attribute
// absent, smaller, equal, larger, and of another kind.
var outcomes = map[table.Op][5]bool{
	table.Absent:  {true, false, false, false, false},
	table.Present: {false, true, true, true, true},
	table.Eq:      {false, false, true, false, false},
	table.Ne:      {true, true, false, true, true},
	table.Lt:      {false, true, false, false, false},
	table.Le:      {false, true, true, false, false},
	table.Gt:      {false, false, false, true, false},
	table.Ge:      {false, false, true, true, false},
}

// ladders are a smaller, the compared and a larger value of each kind, and one
// of another kind that must not be taken for it.
var ladders = map[string][4]table.Value{
	"string": {table.String("B"), table.String("a"), table.String("é"), table.Bytes([]byte("a"))},
	"prefix": {table.String(""), table.String("a"), table.String("aa"), table.Int(0)},
	"int":    {table.Int(-5), table.Int(9), table.Int(10), table.String("9")},
	"bytes":  {table.Bytes([]byte{0}), table.Bytes([]byte{0, 1}), table.Bytes([]byte{0xff}), table.String("\x00\x01")},
}

func conditions(t *testing.T, b *bench) {
	for kind, ladder := range ladders {
		for op, holds := range outcomes {
			for i, want := range holds {
				k := key("cond-"+kind, fmt.Sprintf("%d-%d", op, i))
				start := table.Attrs{"other": table.Int(1)}
				if i > 0 {
					start["x"] = ladder[i-1]
				}
				b.put(k, start)
				test := table.Test{Attr: "x", Op: op}
				if op != table.Absent && op != table.Present {
					test.Value = ladder[1]
				}
				w := table.Write{Key: k, Kind: table.Update, Set: table.Attrs{"hit": table.Int(1)}, If: table.All(test)}
				_, err := b.Write(t.Context(), w)
				if _, failed := table.Failed(err); failed == want || err != nil && !failed {
					t.Errorf("%s: op %d with %v stored and %v compared: %v, want it to hold: %v", kind, op, start["x"], test.Value, err, want)
				}
				if _, hit := b.item(k)["hit"]; hit != want {
					t.Errorf("%s: op %d, case %d: written %v, want %v", kind, op, i, hit, want)
				}
			}
		}
	}
}

// A condition on a whole item: absent items, items without attributes, and ORs.
func conditionsOnItem(t *testing.T, b *bench) {
	is := func(n int64) table.Test { return table.Test{Attr: "n", Op: table.Eq, Value: table.Int(n)} }
	for i, c := range []struct {
		stored table.Attrs
		cond   table.Cond
		want   bool
	}{
		{nil, table.IfAbsent(), true},
		{nil, table.IfPresent(), false},
		{nil, table.Always(), true},
		{nil, table.All(is(1)), false},
		{nil, table.All(table.Test{Attr: "n", Op: table.Ne, Value: table.Int(1)}), true},
		{table.Attrs{}, table.IfAbsent(), false},
		{table.Attrs{}, table.IfPresent(), true},
		{table.Attrs{"n": table.Int(2)}, table.Cond{{is(1)}, {is(2)}}, true},
		{table.Attrs{"n": table.Int(3)}, table.Cond{{is(1)}, {is(2)}}, false},
		{table.Attrs{"n": table.Int(2)}, table.Cond{{is(2), {Attr: "m", Op: table.Present}}}, false},
		{table.Attrs{"n": table.Int(2)}, table.Cond{{is(2), {Attr: "m", Op: table.Present}}, {is(2)}}, true},
	} {
		for _, kind := range []table.WriteKind{table.Put, table.Update, table.Delete, table.Check} {
			k := key("item", fmt.Sprint(i, "-", kind))
			if c.stored != nil {
				b.put(k, c.stored)
			}
			w := table.Write{Key: k, Kind: kind, If: c.cond}
			_, err := b.Write(t.Context(), w)
			if _, failed := table.Failed(err); failed == c.want || err != nil && !failed {
				t.Errorf("%s with %v stored: %v, want it to hold: %v", describe(w), c.stored, err, c.want)
			}
		}
	}
}

func oldImage(t *testing.T, b *bench) {
	k, never := key("a", "b"), table.All(table.Test{Attr: "n", Op: table.Eq, Value: table.Int(-1)})
	for _, stored := range []table.Attrs{nil, {}, {"n": table.Int(1), "s": table.String(""), "b": table.Bytes([]byte{0})}} {
		if stored != nil {
			b.put(k, stored)
		}
		for _, kind := range []table.WriteKind{table.Put, table.Update, table.Delete, table.Check} {
			if old := b.refuse(table.Write{Key: k, Kind: kind, If: never}); !same(old, stored) {
				t.Errorf("kind %d: the old image is %v, want %v", kind, old, stored)
			}
			if got := b.item(k); !same(got, stored) {
				t.Errorf("kind %d: a failed condition left %v, want %v", kind, got, stored)
			}
		}
	}
}

func newImage(t *testing.T, b *bench) {
	k := key("a", "b")
	put := b.write(table.Write{Key: k, Kind: table.Put, Set: table.Attrs{"x": table.Int(1), "y": table.String("s")}, If: table.Always()})
	up := b.write(table.Write{Key: k, Kind: table.Update, Set: table.Attrs{"z": table.Int(3)}, Remove: []string{"y", "never"}, If: table.Always()})
	check := b.write(table.Write{Key: k, Kind: table.Check, If: table.IfPresent()})
	gone := b.write(table.Write{Key: k, Kind: table.Delete, If: table.Always()})
	if want := (table.Attrs{"x": table.Int(1), "y": table.String("s")}); !same(put, want) {
		t.Errorf("after Put: %v, want %v", put, want)
	}
	if want := (table.Attrs{"x": table.Int(1), "z": table.Int(3)}); !same(up, want) {
		t.Errorf("after Update: %v, want %v", up, want)
	}
	if check != nil || gone != nil {
		t.Errorf("after Check %v and Delete %v, want nil", check, gone)
	}
	if got := b.item(k); got != nil {
		t.Errorf("deleted, yet %v is there", got)
	}
	b.write(table.Write{Key: k, Kind: table.Delete, If: table.Always()}) // of an absent item
	replaced := b.write(table.Write{Key: k, Kind: table.Put, Set: table.Attrs{"new": table.Int(1)}, If: table.IfAbsent()})
	if want := (table.Attrs{"new": table.Int(1)}); !same(replaced, want) || !same(b.item(k), want) {
		t.Errorf("put again: %v, want %v", replaced, want)
	}
}

func updates(t *testing.T, b *bench) {
	k := key("a", "b")
	steps := []struct {
		write table.Write
		want  table.Attrs
	}{
		{table.Write{}, table.Attrs{}}, // creates it
		{table.Write{Add: map[string]int64{"n": 5}}, table.Attrs{"n": table.Int(5)}},
		{table.Write{Add: map[string]int64{"n": -7}, Set: table.Attrs{"s": table.String("x")}}, table.Attrs{"n": table.Int(-2), "s": table.String("x")}},
		{table.Write{Set: table.Attrs{"n": table.String("now a string")}, Remove: []string{"s"}}, table.Attrs{"n": table.String("now a string")}},
	}
	for i, s := range steps {
		s.write.Key, s.write.Kind, s.write.If = k, table.Update, table.Always()
		if got := b.write(s.write); !same(got, s.want) || !same(b.item(k), s.want) {
			t.Errorf("step %d: %v, want %v", i, got, s.want)
		}
	}
	_, err := b.Write(t.Context(), table.Write{Key: k, Kind: table.Update, Add: map[string]int64{"n": 1}, If: table.Always()})
	wantInvalid(t, "adding to a string", err)
	if got, want := b.item(k), steps[len(steps)-1].want; !same(got, want) {
		t.Errorf("after a refused Add: %v, want %v", got, want)
	}
}

// Of 100 that compare and set at once, one wins each round, and each sees the
// winner's value.
func compareAndSet(t *testing.T, b *bench) {
	const rivals = 100
	k := key("a", "race")
	b.put(k, table.Attrs{"n": table.Int(0)})
	var wg sync.WaitGroup
	var mu sync.Mutex
	winners, confused := 0, 0
	for i := range rivals {
		wg.Go(func() {
			_, err := b.Write(t.Context(), table.Write{
				Key: k, Kind: table.Update, Set: table.Attrs{"n": table.Int(1), "who": table.Int(int64(i))},
				If: table.All(table.Test{Attr: "n", Op: table.Eq, Value: table.Int(0)}),
			})
			mu.Lock()
			defer mu.Unlock()
			if old, failed := table.Failed(err); err == nil {
				winners++
			} else if !failed || old["n"] != table.Int(1) {
				confused++
			}
		})
	}
	wg.Wait()
	if winners != 1 || confused != 0 {
		t.Errorf("%d winners, %d with another answer; want 1 and 0", winners, confused)
	}
}

func staleVersion(t *testing.T, b *bench) {
	k := key("a", "counter")
	b.put(k, table.Attrs{"v": table.Int(0), "sum": table.Int(0)})
	var wg sync.WaitGroup
	const workers, each = 8, 5
	for range workers {
		wg.Go(func() {
			seen := b.item(k)
			for done := 0; done < each; {
				next, err := b.Write(t.Context(), table.Write{
					Key: k, Kind: table.Update,
					Set: table.Attrs{"v": table.Int(seen["v"].Int() + 1), "sum": table.Int(seen["sum"].Int() + 1)},
					If:  table.All(table.Test{Attr: "v", Op: table.Eq, Value: seen["v"]}),
				})
				if old, failed := table.Failed(err); failed {
					seen = old
				} else if err != nil {
					t.Error(err)
					return
				} else {
					seen, done = next, done+1
				}
			}
		})
	}
	wg.Wait()
	// When a reply was lost and others have written since, a writer cannot know
	// that its update was applied, and makes another.
	got := b.item(k)["sum"].Int()
	if got < workers*each || b.mode == Reliable && got != workers*each {
		t.Errorf("%d updates left the sum at %d", workers*each, got)
	}
}

func oneCreator(t *testing.T, b *bench) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	creators := 0
	for i := range 50 {
		wg.Go(func() {
			_, err := b.Write(t.Context(), table.Write{
				Key: key("a", "once"), Kind: table.Put, Set: table.Attrs{"by": table.Int(int64(i))}, If: table.IfAbsent(),
			})
			if err == nil {
				mu.Lock()
				creators++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if creators != 1 {
		t.Errorf("%d writers created the item, want 1", creators)
	}
}

func values(t *testing.T, b *bench) {
	long := strings.Repeat("ä\x00\n", 30_000)
	all := table.Attrs{
		"empty": table.String(""), "text": table.String("naïve ☃ \x00 end"), "long": table.String(long),
		"none": table.Bytes(nil), "zeros": table.Bytes([]byte{0, 0, 0xff, 0}), "big": table.Bytes([]byte(long)),
		"zero": table.Int(0), "min": table.Int(-1 << 63), "max": table.Int(1<<63 - 1), "ünïcode ☃": table.Int(-1),
		strings.Repeat("n", 200): table.Int(7),
	}
	k := key("t#ex_é☃", "s#1#a b/c\x00d")
	if next := b.write(table.Write{Key: k, Kind: table.Put, Set: all, If: table.IfAbsent()}); !same(next, all) {
		t.Errorf("put and got another image")
	}
	got := b.item(k)
	for name, v := range all {
		if got[name] != v {
			t.Errorf("%q: stored %.40v (kind %d), read %.40v (kind %d)", name, v, v.Kind(), got[name], got[name].Kind())
		}
	}
	if len(got) != len(all) {
		t.Errorf("%d attributes, want %d", len(got), len(all))
	}
}

// What a caller does to the maps it passed or was given changes nothing.
func images(t *testing.T, b *bench) {
	k, set := key("a", "b"), table.Attrs{"n": table.Int(1)}
	next := b.write(table.Write{Key: k, Kind: table.Put, Set: set, If: table.Always()})
	set["n"], next["n"] = table.Int(2), table.Int(3)
	old := b.refuse(table.Write{Key: k, Kind: table.Delete, If: table.IfAbsent()})
	if old["n"] != table.Int(1) {
		t.Errorf("the item became %v with the caller's map", old)
	}
	old["n"] = table.Int(4)
	b.item(k)["n"] = table.Int(5)
	if got := b.refuse(table.Write{Key: k, Kind: table.Check, If: table.IfAbsent()}); got["n"] != table.Int(1) {
		t.Errorf("the item became %v with the caller's map", got)
	}
}

func invalidWrites(t *testing.T, b *bench) {
	ok := table.Write{Key: key("a", "b"), Kind: table.Update, Set: table.Attrs{"x": table.Int(1)}, If: table.Always()}
	for what, change := range map[string]func(*table.Write){
		"no condition":        func(w *table.Write) { w.If = nil },
		"empty condition":     func(w *table.Write) { w.If = table.Cond{} },
		"no pk":               func(w *table.Write) { w.Key.PK = "" },
		"no sk":               func(w *table.Write) { w.Key.SK = "" },
		"long pk":             func(w *table.Write) { w.Key.PK = strings.Repeat("p", table.MaxPK+1) },
		"long sk":             func(w *table.Write) { w.Key.SK = strings.Repeat("s", table.MaxSK+1) },
		"pk not UTF-8":        func(w *table.Write) { w.Key.PK = "\xff" },
		"no kind":             func(w *table.Write) { w.Kind = 0 },
		"unknown kind":        func(w *table.Write) { w.Kind = 9 },
		"set pk":              func(w *table.Write) { w.Set = table.Attrs{"pk": table.String("x")} },
		"set sk":              func(w *table.Write) { w.Set = table.Attrs{"sk": table.String("x")} },
		"set nothing":         func(w *table.Write) { w.Set = table.Attrs{"x": {}} },
		"set no name":         func(w *table.Write) { w.Set = table.Attrs{"": table.Int(1)} },
		"text not UTF-8":      func(w *table.Write) { w.Set = table.Attrs{"x": table.String("\xff")} },
		"hp not a string":     func(w *table.Write) { w.Set = table.Attrs{table.HistPK: table.Int(1)} },
		"hp empty":            func(w *table.Write) { w.Set = table.Attrs{table.HistPK: table.String("")} },
		"qp bytes":            func(w *table.Write) { w.Set = table.Attrs{table.DuePK: table.Bytes([]byte("x"))} },
		"qk not a number":     func(w *table.Write) { w.Set = table.Attrs{table.DueSK: table.String("1")} },
		"xp not a number":     func(w *table.Write) { w.Set = table.Attrs{table.ExpiryAttr: table.String("1")} },
		"add to the key":      func(w *table.Write) { w.Add = map[string]int64{"sk": 1} },
		"remove the key":      func(w *table.Write) { w.Remove = []string{"pk"} },
		"set and add":         func(w *table.Write) { w.Add = map[string]int64{"x": 1} },
		"set and remove":      func(w *table.Write) { w.Remove = []string{"x"} },
		"put with add":        func(w *table.Write) { w.Kind, w.Add = table.Put, map[string]int64{"y": 1} },
		"put with remove":     func(w *table.Write) { w.Kind, w.Remove = table.Put, []string{"y"} },
		"delete with set":     func(w *table.Write) { w.Kind = table.Delete },
		"check with set":      func(w *table.Write) { w.Kind = table.Check },
		"test of pk":          func(w *table.Write) { w.If = table.All(table.Test{Attr: "pk", Op: table.Present}) },
		"test of sk's value":  func(w *table.Write) { w.If = table.All(table.Test{Attr: "sk", Op: table.Eq, Value: table.String("b")}) },
		"test of no name":     func(w *table.Write) { w.If = table.All(table.Test{Op: table.Present}) },
		"test without value":  func(w *table.Write) { w.If = table.All(table.Test{Attr: "x", Op: table.Eq}) },
		"test without a kind": func(w *table.Write) { w.If = table.All(table.Test{Attr: "x", Value: table.Int(1)}) },
	} {
		w := ok
		change(&w)
		_, err := b.Write(t.Context(), w)
		wantInvalid(t, what, err)
	}
	if got := b.item(ok.Key); got != nil {
		t.Errorf("refused writes left %v", got)
	}
}

func tooLarge(t *testing.T, b *bench) {
	k := key("a", "b") // with the names of its parts 6 bytes
	fits := table.Attrs{"v": table.String(strings.Repeat("x", table.MaxItem-7))}
	over := table.Attrs{"v": table.String(strings.Repeat("x", table.MaxItem-6))}
	b.put(k, fits)
	for what, w := range map[string]table.Write{
		"put":    {Key: k, Kind: table.Put, Set: over, If: table.Always()},
		"create": {Key: key("a", "c"), Kind: table.Put, Set: over, If: table.Always()},
		"update": {Key: k, Kind: table.Update, Set: table.Attrs{"w": table.Int(1)}, If: table.Always()},
	} {
		if _, err := b.Write(t.Context(), w); err == nil || err.Error() != table.ErrTooLarge.Error() {
			t.Errorf("%s: got %v, want ErrTooLarge", what, err)
		}
	}
	if !same(b.item(k), fits) || b.item(key("a", "c")) != nil {
		t.Error("a refused item was written")
	}
	if old := b.refuse(table.Write{Key: k, Kind: table.Put, Set: over, If: table.IfAbsent()}); !same(old, fits) {
		t.Error("the condition comes before the size")
	}
}
