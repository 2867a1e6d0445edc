package tabletest

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// MaxLag is how far behind the table an index may be.
const MaxLag = 2 * time.Minute

// Fault is one kind of misbehaviour that the port allows.
type Fault string

// The faults of an Adversary.
const (
	Busy    Fault = "busy"      // ErrBusy, nothing done
	Lost    Fault = "lost"      // applied, and ErrUnknown
	Dropped Fault = "dropped"   // not applied, and ErrUnknown
	Old     Fault = "old image" // a weak read shows an earlier image
	Missing Fault = "missing"   // a weak read does not show a recent item
	Lagging Fault = "lagging"   // an index shows an earlier state of an item
	Tiny    Fault = "tiny page" // fewer items than asked for, and more to come
	Empty   Fault = "empty page"
	Vanish  Fault = "vanished" // an expired item is removed just now
	Linger  Fault = "lingered" // an expired item is shown
)

// Faults lists every Fault.
var Faults = []Fault{Busy, Lost, Dropped, Old, Missing, Lagging, Tiny, Empty, Vanish, Linger}

// Rates are probabilities per call; Old is per item read weakly, Vanish per
// expired item met.
type Rates struct {
	Busy, Lost, Dropped, Old, Tiny, Empty, Vanish float64
	// Lag is the most an index lags; each change draws its own.
	Lag time.Duration
	// StaleFor is the most a weak read lags.
	StaleFor time.Duration
}

// DefaultRates make each fault common in a test of some hundred calls.
var DefaultRates = Rates{
	Busy: 0.05, Lost: 0.05, Dropped: 0.03, Old: 0.3, Tiny: 0.3, Empty: 0.1, Vanish: 0.3,
	Lag: MaxLag, StaleFor: 30 * time.Second,
}

// Option changes an Adversary.
type Option func(*Hostile)

// WithRates replaces DefaultRates.
func WithRates(r Rates) Option { return func(h *Hostile) { h.rates = r } }

// WithClock sets the clock that lag and expiry go by; time.Now without it,
// which inside a synctest bubble is the virtual one.
func WithClock(now func() time.Time) Option { return func(h *Hostile) { h.now = now } }

// Hostile is a table in front of another. All writes must go through it.
type Hostile struct {
	inner table.Table
	now   func() time.Time
	rates Rates
	locks keyLocks

	mu      sync.Mutex
	random  *rand.Rand
	history map[table.Key][]version
	counts  map[Fault]int
	empties int
}

var _ table.Table = (*Hostile)(nil)

// Adversary wraps inner in everything the port allows a table to do wrong, as
// seed decides: indexes that lag, weak reads of old or absent images, tiny and
// empty pages, ErrBusy, ErrUnknown of writes that were applied and of ones that
// were not, expired items that linger or vanish. Strong reads and the order of
// writes stay true.
func Adversary(inner table.Table, seed uint64, opts ...Option) *Hostile {
	h := &Hostile{
		inner: inner, now: time.Now, rates: DefaultRates, locks: newKeyLocks(),
		random:  rand.New(rand.NewPCG(seed, 0x5eed)),
		history: map[table.Key][]version{}, counts: map[Fault]int{},
	}
	for _, opt := range opts {
		opt(h)
	}
	return h
}

// Counts says how often each fault has fired.
func (h *Hostile) Counts() map[Fault]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.counts)
}

// fires draws whether a fault happens, and counts it.
func (h *Hostile) fires(f Fault, rate float64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.random.Float64() >= rate {
		return false
	}
	h.counts[f]++
	return true
}

func (h *Hostile) count(f Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[f]++
}

// Write implements table.Table.
func (h *Hostile) Write(ctx context.Context, w table.Write) (table.Attrs, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	if err := h.refuse(); err != nil {
		return nil, err
	}
	defer h.locks.hold(w.Key)()
	before, err := h.actual([]table.Key{w.Key})
	if err != nil {
		return nil, err
	}
	before = h.expire(before)
	next, err := h.inner.Write(ctx, w)
	switch {
	case err == nil && w.Kind != table.Check:
		h.record(w.Key, before[w.Key], next)
	case errors.Is(err, table.ErrUnknown):
		h.compare(before)
	}
	if h.fires(Lost, h.rates.Lost) {
		return nil, table.ErrUnknown
	}
	return next, err
}

// Transact implements table.Table.
func (h *Hostile) Transact(ctx context.Context, token string, ws []table.Write) error {
	if err := table.ValidateTransact(ws); err != nil {
		return err
	}
	if err := h.refuse(); err != nil {
		return err
	}
	keys := make([]table.Key, len(ws))
	for i, w := range ws {
		keys[i] = w.Key
	}
	defer h.locks.hold(keys...)()
	before, err := h.actual(keys)
	if err != nil {
		return err
	}
	before = h.expire(before)
	err = h.inner.Transact(ctx, token, ws)
	h.compare(before)
	if h.fires(Lost, h.rates.Lost) {
		return table.ErrUnknown
	}
	return err
}

// refuse is the faults of a write that is not made.
func (h *Hostile) refuse() error {
	switch {
	case h.fires(Busy, h.rates.Busy):
		return table.ErrBusy
	case h.fires(Dropped, h.rates.Dropped):
		return table.ErrUnknown
	}
	return nil
}

// actual reads the items as they stand; absent ones are nil. Nobody is billed:
// the context carries no meter.
func (h *Hostile) actual(keys []table.Key) (map[table.Key]table.Attrs, error) {
	items, err := h.inner.Get(context.Background(), keys, true)
	if err != nil {
		return nil, err
	}
	now := make(map[table.Key]table.Attrs, len(keys))
	for _, k := range keys {
		now[k] = nil
	}
	for _, it := range items {
		now[it.Key] = it.Attrs
	}
	return now, nil
}

// compare records what has changed since before. The keys are locked.
func (h *Hostile) compare(before map[table.Key]table.Attrs) {
	keys := make([]table.Key, 0, len(before))
	for k := range before {
		keys = append(keys, k)
	}
	after, err := h.actual(keys)
	if err != nil {
		return
	}
	for k, old := range before {
		if !same(old, after[k]) {
			h.record(k, old, after[k])
		}
	}
}

// expire lets expired items vanish, or not. The keys are locked.
func (h *Hostile) expire(items map[table.Key]table.Attrs) map[table.Key]table.Attrs {
	for k, a := range items {
		xp := a[table.ExpiryAttr]
		if xp.Int() == 0 || xp.Int() > h.now().Unix() {
			continue
		}
		if !h.fires(Vanish, h.rates.Vanish) {
			h.count(Linger)
			continue
		}
		_, err := h.inner.Write(context.Background(), table.Write{
			Key: k, Kind: table.Delete, If: table.All(table.Test{Attr: table.ExpiryAttr, Op: table.Eq, Value: xp}),
		})
		if err == nil {
			h.record(k, a, nil)
			items[k] = nil
		}
	}
	return items
}
