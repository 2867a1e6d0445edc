package registry

import (
	"math/rand/v2"
	"testing"
)

func TestLRUDropsTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	l := newLRU[string, int](3)
	for i, k := range []string{"a", "b", "c"} {
		l.put(k, i, 1)
	}
	l.get("a")
	l.put("d", 3, 1)
	for k, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if _, ok := l.get(k); ok != want {
			t.Errorf("%s kept = %t, want %t", k, ok, want)
		}
	}
	l.put("heavy", 9, 4)
	if _, ok := l.get("heavy"); ok {
		t.Error("a value heavier than the whole was kept")
	}
}

// The weight in use is that of what is kept, and never over the maximum,
// whatever is done.
func TestLRUKeepsItsBooks(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	l := newLRU[int, int](50)
	for range 20_000 {
		k := rnd.IntN(40)
		switch rnd.IntN(4) {
		case 0:
			l.remove(k)
		case 1:
			l.get(k)
		default:
			l.put(k, k, rnd.IntN(12))
		}
		sum := 0
		for e := l.order.Front(); e != nil; e = e.Next() {
			sum += e.Value.(*lruEntry[int, int]).weight
		}
		if sum != l.used || sum > l.max || l.order.Len() != len(l.byKey) {
			t.Fatalf("weight %d, counted %d of at most %d; %d in order, %d by key", sum, l.used, l.max, l.order.Len(), len(l.byKey))
		}
	}
}
