package registry

import (
	"container/list"
	"sync"
)

// lru keeps the most recently used values up to a total weight. It is safe for
// concurrent use.
type lru[K comparable, V any] struct {
	mu    sync.Mutex
	max   int
	used  int
	order *list.List // of *lruEntry[K, V], most recently used first
	byKey map[K]*list.Element
}

type lruEntry[K comparable, V any] struct {
	key    K
	value  V
	weight int
}

func newLRU[K comparable, V any](maxWeight int) *lru[K, V] {
	return &lru[K, V]{max: maxWeight, order: list.New(), byKey: map[K]*list.Element{}}
}

func (l *lru[K, V]) get(k K) (v V, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[k]
	if !ok {
		return v, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*lruEntry[K, V]).value, true
}

// put keeps v, dropping the least recently used values beyond the maximum; a
// value heavier than all of it is not kept.
func (l *lru[K, V]) put(k K, v V, weight int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(l.byKey[k])
	if weight > l.max {
		return
	}
	l.byKey[k] = l.order.PushFront(&lruEntry[K, V]{k, v, weight})
	for l.used += weight; l.used > l.max; {
		l.drop(l.order.Back())
	}
}

func (l *lru[K, V]) remove(k K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(l.byKey[k])
}

func (l *lru[K, V]) drop(e *list.Element) {
	if e == nil {
		return
	}
	entry := l.order.Remove(e).(*lruEntry[K, V])
	delete(l.byKey, entry.key)
	l.used -= entry.weight
}
