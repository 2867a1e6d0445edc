package table

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestItemSize(t *testing.T) {
	t.Parallel()
	k := Key{PK: "pp", SK: "s"} // with the names: 7
	for _, c := range []struct {
		attrs Attrs
		want  int
	}{
		{nil, 7},
		{Attrs{"a": String("é")}, 7 + 1 + 2},
		{Attrs{"name": Bytes([]byte{0, 1, 2})}, 7 + 4 + 3},
		{Attrs{"n": Int(0)}, 7 + 1 + 1},
		{Attrs{"n": Int(7)}, 7 + 1 + 2},
		{Attrs{"n": Int(99)}, 7 + 1 + 2},
		{Attrs{"n": Int(100)}, 7 + 1 + 2}, // one significant digit
		{Attrs{"n": Int(101)}, 7 + 1 + 3},
		{Attrs{"n": Int(-101)}, 7 + 1 + 4},
		{Attrs{"n": Int(math.MaxInt64)}, 7 + 1 + 11},
		{Attrs{"n": Int(math.MinInt64)}, 7 + 1 + 12},
	} {
		if got := ItemSize(k, c.attrs); got != c.want {
			t.Errorf("%v: %d bytes, want %d", c.attrs, got, c.want)
		}
	}
}

func TestApplyBounds(t *testing.T) {
	t.Parallel()
	add := func(n int64) Write {
		return Write{Key: Key{"a", "b"}, Kind: Update, Add: map[string]int64{"n": n}, If: Always()}
	}
	for _, c := range []struct{ old, n int64 }{{math.MaxInt64, 1}, {math.MinInt64, -1}} {
		if got, err := Apply(Attrs{"n": Int(c.old)}, add(c.n)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%d + %d: %v, %v; want ErrInvalid", c.old, c.n, got, err)
		}
	}
	if got, err := Apply(Attrs{"n": Int(math.MaxInt64)}, add(math.MinInt64)); err != nil || got["n"] != Int(-1) {
		t.Errorf("the sum within range: %v, %v", got, err)
	}
	old := Attrs{"n": Int(1)}
	if _, err := Apply(old, add(1)); err != nil || old["n"] != Int(1) {
		t.Errorf("the old image became %v (%v)", old, err)
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	base := Write{Key: Key{"a", "b"}, Kind: Update, Set: Attrs{"x": Int(1), "y": String("s")}, Add: map[string]int64{"z": 1}, Remove: []string{"r"}, If: IfAbsent()}
	seen := map[string]string{Fingerprint([]Write{base}): "the base"}
	for what, change := range map[string]func(*Write){
		"key":      func(w *Write) { w.Key = Key{"ab", ""} },
		"kind":     func(w *Write) { w.Kind = Put },
		"value":    func(w *Write) { w.Set = Attrs{"x": Int(2), "y": String("s")} },
		"type":     func(w *Write) { w.Set = Attrs{"x": Int(1), "y": Bytes([]byte("s"))} },
		"name":     func(w *Write) { w.Set = Attrs{"x": Int(1), "ys": String("")} },
		"add":      func(w *Write) { w.Add = nil },
		"remove":   func(w *Write) { w.Remove = []string{"q"} },
		"cond":     func(w *Write) { w.If = IfPresent() },
		"cond or":  func(w *Write) { w.If = Cond{IfAbsent()[0], IfAbsent()[0]} },
		"cond and": func(w *Write) { w.If = All(IfAbsent()[0][0], IfAbsent()[0][0]) },
	} {
		w := base
		change(&w)
		finger := Fingerprint([]Write{w})
		if other, taken := seen[finger]; taken {
			t.Errorf("another %s has the fingerprint of %s", what, other)
		}
		seen[finger] = "another " + what
	}
	for range 20 { // maps come in any order
		if _, known := seen[Fingerprint([]Write{base})]; !known {
			t.Fatal("the same writes have two fingerprints")
		}
	}
}

// A cursor is either one that the query made, or refused.
func FuzzCursor(f *testing.F) {
	q := Query{Index: Due, PK: "p", From: "1"}
	f.Add(string(q.CursorAfter(Item{Key: Key{"a", "b"}, Attrs: Attrs{DueSK: Int(5)}})), "a", "b", int64(5))
	f.Add("AQ", strings.Repeat("x", 300), "☃", int64(-1))
	f.Fuzz(func(t *testing.T, raw, pk, sk string, due int64) {
		bad := q
		bad.After = Cursor(raw)
		if _, _, err := bad.Position(); err != nil && !errors.Is(err, ErrBadCursor) {
			t.Errorf("%q: %v", raw, err)
		}
		if sk == "" {
			return
		}
		good := q
		good.After = q.CursorAfter(Item{Key: Key{pk, sk}, Attrs: Attrs{DueSK: Int(due)}})
		p, ok, err := good.Position()
		if want := (Position{Key{pk, sk}, due}); err != nil || !ok || p != want {
			t.Errorf("%v came back as %v, %v, %v", want, p, ok, err)
		}
	})
}
