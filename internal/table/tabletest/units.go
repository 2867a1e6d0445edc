package tabletest

import (
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// sized is an item of exactly n bytes under a key of two characters.
func sized(n int) table.Attrs {
	return table.Attrs{"v": table.String(strings.Repeat("x", n-7))}
}

func writeUnits(t *testing.T, b *bench) {
	never := table.All(table.Test{Attr: "v", Op: table.Absent})
	for _, c := range []struct {
		what   string
		before table.Attrs
		write  table.Write
		want   float64
	}{
		{"put of nothing", nil, table.Write{Kind: table.Put}, 1},
		{"put of 1 KB", nil, table.Write{Kind: table.Put, Set: sized(1024)}, 1},
		{"put of 1 KB and a byte", nil, table.Write{Kind: table.Put, Set: sized(1025)}, 2},
		{"put of 10 KB", nil, table.Write{Kind: table.Put, Set: sized(10 << 10)}, 10},
		{"put of less than before", sized(3 << 10), table.Write{Kind: table.Put, Set: sized(100)}, 3},
		{"update bills the whole item", sized(2000), table.Write{Kind: table.Update, Set: table.Attrs{"n": table.Int(1)}}, 2},
		{"update that grows", sized(1020), table.Write{Kind: table.Update, Set: table.Attrs{"n": table.String("12345")}}, 2},
		{"delete of an item", sized(5 << 10), table.Write{Kind: table.Delete}, 5},
		{"delete of none", nil, table.Write{Kind: table.Delete}, 1},
		{"failed on a large item", sized(4 << 10), table.Write{Kind: table.Delete, If: never}, 4},
		{"failed on one it would enlarge", sized(4 << 10), table.Write{Kind: table.Update, Set: table.Attrs{"n": table.Int(1)}, If: never}, 5},
		{"failed put of a larger one", sized(100), table.Write{Kind: table.Put, Set: sized(2 << 10), If: never}, 2},
		{"failed on an absent item", nil, table.Write{Kind: table.Update, If: table.IfPresent()}, 1},
	} {
		k := key("p", "s")
		b.write(table.Write{Key: k, Kind: table.Delete, If: table.Always()})
		if c.before != nil {
			b.put(k, c.before)
		}
		if c.write.Key = k; c.write.If == nil {
			c.write.If = table.Always()
		}
		ctx, m := metered(t)
		_, _ = b.Write(ctx, c.write)
		if m.WriteUnits() != c.want || m.ReadUnits() != 0 {
			t.Errorf("%s: %v write and %v read units, want %v and 0", c.what, m.WriteUnits(), m.ReadUnits(), c.want)
		}
	}
	ctx, m := metered(t)
	_, _ = b.Write(ctx, table.Write{Key: key("p", "s"), Kind: table.Put})
	if m.WriteUnits() != 0 {
		t.Errorf("an invalid write took %v units", m.WriteUnits())
	}
}

func readUnits(t *testing.T, b *bench) {
	b.put(key("p", "1"), sized(100))
	b.put(key("p", "2"), sized(4096))
	b.put(key("p", "3"), sized(4097))
	b.put(key("q", "1"), sized(1500))
	b.put(key("q", "2"), sized(1500))
	b.put(key("q", "3"), sized(1500))
	for _, c := range []struct {
		what string
		want float64 // strong; weak is half
		read func(t *testing.T, b *bench, strong bool) float64
	}{
		{"get small", 1, getting(key("p", "1"))},
		{"get 4 KB", 1, getting(key("p", "2"))},
		{"get 4 KB and a byte", 2, getting(key("p", "3"))},
		{"get none", 1, getting(key("p", "absent"))},
		{"get four, each on its own", 5, getting(key("p", "1"), key("p", "2"), key("p", "3"), key("p", "absent"))},
		{"query sums up", 2, querying(table.Query{PK: "q"})},
		{"query one", 1, querying(table.Query{PK: "q", Limit: 1})},
		{"query none", 1, querying(table.Query{PK: "nobody"})},
	} {
		if got := c.read(t, b, true); got != c.want {
			t.Errorf("%s, strong: %v units, want %v", c.what, got, c.want)
		}
		if got := c.read(t, b, false); got != c.want/2 {
			t.Errorf("%s, weak: %v units, want %v", c.what, got, c.want/2)
		}
	}
}

func getting(keys ...table.Key) func(*testing.T, *bench, bool) float64 {
	return func(t *testing.T, b *bench, strong bool) float64 {
		ctx, m := metered(t)
		if _, err := b.Get(ctx, keys, strong); err != nil {
			t.Error(err)
		}
		return m.ReadUnits()
	}
}

func querying(q table.Query) func(*testing.T, *bench, bool) float64 {
	return func(t *testing.T, b *bench, strong bool) float64 {
		ctx, m := metered(t)
		q.Strong = strong
		if _, err := b.Query(ctx, q); err != nil {
			t.Error(err)
		}
		return m.ReadUnits()
	}
}

// Every write of these bills one unit for the table; the rest is the indexes'.
func indexUnits(t *testing.T, b *bench) {
	due := func(at int64) table.Attrs {
		return table.Attrs{table.DuePK: table.String("q"), table.DueSK: table.Int(at)}
	}
	for i, c := range []struct {
		what  string
		write table.Write
		want  float64
	}{
		{"no index", table.Write{Kind: table.Put, Set: table.Attrs{"n": table.Int(1)}}, 0},
		{"into hist", table.Write{Kind: table.Update, Set: table.Attrs{"hp": table.String("h"), "wf": table.String("w")}}, 1},
		{"what no index projects", table.Write{Kind: table.Update, Set: table.Attrs{"n": table.Int(2)}}, 0},
		{"the same again", table.Write{Kind: table.Update, Set: table.Attrs{"hp": table.String("h"), "wf": table.String("w")}}, 0},
		{"a projected attribute", table.Write{Kind: table.Update, Set: table.Attrs{"wf": table.String("w2")}}, 1},
		{"hist's key", table.Write{Kind: table.Update, Set: table.Attrs{"hp": table.String("h2")}}, 2},
		{"half of due's key", table.Write{Kind: table.Update, Set: table.Attrs{"qp": table.String("q")}}, 0},
		{"into due", table.Write{Kind: table.Update, Set: due(5)}, 1},
		{"due's time", table.Write{Kind: table.Update, Set: due(6)}, 2},
		{"due's time by adding", table.Write{Kind: table.Update, Add: map[string]int64{"qk": 1}}, 2},
		{"out of due", table.Write{Kind: table.Update, Remove: []string{"qp", "qk"}}, 1},
		{"into due, hist's key", table.Write{Kind: table.Update, Set: table.Attrs{"qp": table.String("q"), "qk": table.Int(1), "hp": table.String("h3")}}, 3},
		{"refused", table.Write{Kind: table.Update, Set: due(9), If: table.IfAbsent()}, 0},
		{"a Put that leaves both", table.Write{Kind: table.Put}, 2},
		{"a Put into both", table.Write{Kind: table.Put, Set: table.Attrs{"qp": table.String("q"), "qk": table.Int(1), "hp": table.String("h3")}}, 2},
		{"a Delete from both", table.Write{Kind: table.Delete}, 2},
	} {
		if c.write.Key = key("p", "s"); c.write.If == nil {
			c.write.If = table.Always()
		}
		ctx, m := metered(t)
		_, _ = b.Write(ctx, c.write)
		if got := m.WriteUnits() - 1; got != c.want {
			t.Errorf("%d, %s: the indexes took %v units, want %v", i, c.what, got, c.want)
		}
	}
	b.put(key("p", "wide"), table.Attrs{"hp": table.String("h"), "v": table.String(strings.Repeat("x", 5000))})
	ctx, m := metered(t)
	if _, err := b.Query(ctx, table.Query{Index: table.Hist, PK: "h"}); err != nil || m.ReadUnits() != 0.5 {
		t.Errorf("reading one entry of an index took %v units, want 0.5: the projected size counts (%v)", m.ReadUnits(), err)
	}
}

func transactUnits(t *testing.T, b *bench) {
	b.put(key("p", "0"), sized(1500))
	ws := []table.Write{
		{Key: key("p", "0"), Kind: table.Update, Set: table.Attrs{"n": table.Int(1)}, If: table.Always()},
		{Key: key("p", "1"), Kind: table.Put, Set: table.Attrs{"hp": table.String("h")}, If: table.IfAbsent()},
		{Key: key("p", "2"), Kind: table.Check, If: table.IfAbsent()},
	}
	ctx, m := metered(t)
	if err := b.Transact(ctx, "a", ws); err != nil || m.WriteUnits() != 2*(2+1+1)+1 {
		t.Errorf("applied: %v units, want 9: double for the table, once for the index (%v)", m.WriteUnits(), err)
	}
	ctx, m = metered(t)
	if err := b.Transact(ctx, "a", ws); err != nil || m.WriteUnits() != 0 || m.ReadUnits() != 6 {
		t.Errorf("the token again: %v write and %v read units, want 0 and 6 (%v)", m.WriteUnits(), m.ReadUnits(), err)
	}
	ctx, m = metered(t)
	if err := b.Transact(ctx, "b", ws); err == nil || m.WriteUnits() != 2*(2+1+1) {
		t.Errorf("refused: %v units, want 8 (%v)", m.WriteUnits(), err)
	}
}

func nestedMeters(t *testing.T, b *bench) {
	ctx, outer := metered(t)
	inner := &table.Meter{}
	nested := table.WithMeter(table.WithMeter(ctx, inner), outer) // outer is there already
	if table.MeterFrom(nested) != inner || table.MeterFrom(t.Context()) != nil {
		t.Error("MeterFrom must find the innermost meter, or none")
	}
	w := table.Write{Key: key("a", "b"), Kind: table.Put, If: table.Always()}
	_, _ = b.Write(nested, w)
	_, _ = b.Write(ctx, w)
	if inner.WriteUnits() != 1 || outer.WriteUnits() != 2 {
		t.Errorf("inner %v and outer %v units, want 1 and 2", inner.WriteUnits(), outer.WriteUnits())
	}
}
