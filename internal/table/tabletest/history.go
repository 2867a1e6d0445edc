package tabletest

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// version is an item's image since a time; nil: absent.
type version struct {
	attrs table.Attrs
	since time.Time // written
	shown time.Time // in the indexes
}

// record notes a change. The key is locked, so changes come in order.
func (h *Hostile) record(k table.Key, before, after table.Attrs) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	vs := h.prune(h.history[k], now)
	if len(vs) == 0 {
		vs = []version{{attrs: before}}
	}
	shown := now
	if h.rates.Lag > 0 {
		shown = now.Add(time.Duration(h.random.Int64N(int64(h.rates.Lag))))
	}
	if last := vs[len(vs)-1]; shown.Before(last.shown) {
		shown = last.shown // an index never shows an item's changes out of order
	}
	h.history[k] = append(vs, version{attrs: after, since: now, shown: shown})
}

// prune drops the versions that nothing can show any more.
func (h *Hostile) prune(vs []version, now time.Time) []version {
	for len(vs) > 1 && vs[1].shown.Before(now) && vs[1].since.Before(now.Add(-h.rates.StaleFor)) {
		vs = vs[1:]
	}
	return vs
}

// stale draws an earlier image that a weak read may show of an item.
func (h *Hostile) stale(k table.Key, actual table.Attrs) table.Attrs {
	h.mu.Lock()
	defer h.mu.Unlock()
	vs, oldest := h.history[k], h.now().Add(-h.rates.StaleFor)
	for len(vs) > 1 && vs[1].since.Before(oldest) {
		vs = vs[1:]
	}
	if len(vs) < 2 || h.random.Float64() >= h.rates.Old {
		return actual
	}
	image := vs[h.random.IntN(len(vs)-1)].attrs
	switch {
	case same(image, actual):
		return actual
	case image == nil:
		h.counts[Missing]++
	default:
		h.counts[Old]++
	}
	return image
}

// indexed is what the indexes show of the items that they lag behind on.
func (h *Hostile) indexed() map[table.Key]table.Attrs {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	behind := map[table.Key]table.Attrs{}
	for k, vs := range h.history {
		vs = h.prune(vs, now)
		if len(vs) < 2 { // everything shows it
			delete(h.history, k)
			continue
		}
		h.history[k] = vs
		at := slices.IndexFunc(vs, func(v version) bool { return v.shown.After(now) })
		if at > 0 {
			behind[k] = vs[at-1].attrs
		}
	}
	return behind
}

// keyLocks serialise the writes of an item. Channels, not mutexes: the inner
// table may sleep on a virtual clock, which stands still while a goroutine
// waits for a mutex.
type keyLocks [64]chan struct{}

func newKeyLocks() (l keyLocks) {
	for i := range l {
		l[i] = make(chan struct{}, 1)
	}
	return l
}

// hold locks the keys and returns what unlocks them.
func (l *keyLocks) hold(keys ...table.Key) func() {
	var slots []int
	for _, k := range keys {
		f := fnv.New32a()
		_, _ = f.Write([]byte(k.PK + "\x00" + k.SK))
		slots = append(slots, int(f.Sum32()%uint32(len(l))))
	}
	slices.Sort(slots) // one order for all, or two transactions wait for each other
	slots = slices.Compact(slots)
	for _, s := range slots {
		l[s] <- struct{}{}
	}
	return func() {
		for _, s := range slots {
			<-l[s]
		}
	}
}
