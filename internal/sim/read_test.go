package sim

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Get implements table.Table.
func (t simTable) Get(ctx context.Context, keys []table.Key, strong bool) ([]table.Item, error) {
	keys, err := table.UniqueKeys(keys)
	if err != nil {
		return nil, err
	}
	var h uint64
	for _, k := range keys {
		h += mixString(mixString(1, k.PK), k.SK)
	}
	c := t.w.enter(ctx, t.p, h)
	if err := c.read(); err != nil {
		return nil, err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	var items []table.Item
	for _, k := range keys {
		r := c.w.table.get(k)
		if r == nil {
			continue
		}
		a := r.now
		if !strong && c.w.strikes(staleRead, &c.dice) {
			a = r.at(c.w.since() - c.dice.between(0, c.w.maxStale))
		}
		if a != nil {
			items = append(items, table.Item{Key: k, Attrs: a})
		}
	}
	return items, nil
}

// read lets a read travel there and back, or fail.
func (c *call) read() error {
	switch c.sleep(c.latency()) {
	case died:
		return c.hang()
	case ended:
		c.linger()
		return fmt.Errorf("%w: %w", table.ErrUnknown, context.Cause(c.ctx))
	}
	c.w.mu.Lock()
	busy := c.w.strikes(tableBusy, &c.dice)
	if busy {
		c.inv.trouble++
	}
	c.w.mu.Unlock()
	if busy {
		return table.ErrBusy
	}
	return nil
}

// Query implements table.Table.
func (t simTable) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := q.Validate(); err != nil {
		return table.Page{}, err
	}
	c := t.w.enter(ctx, t.p, mixString(mixString(mixString(2, q.PK), q.From), string(q.After)))
	if err := c.read(); err != nil {
		return table.Page{}, err
	}
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	var items []table.Item
	if q.Index == "" {
		items = c.scan(q)
	} else {
		items = c.scanIndex(q)
	}
	if q.Desc {
		for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
			items[i], items[j] = items[j], items[i]
		}
	}
	items, err := after(q, items)
	if err != nil {
		return table.Page{}, err
	}
	limit := q.Limit
	if limit == 0 {
		limit = 200
	}
	if w.strikes(tinyPage, &c.dice) {
		limit = min(limit, 1+c.dice.below(2))
	}
	if len(items) < limit {
		return table.Page{Items: items}, nil
	}
	items = items[:limit:limit] // even a full last page has a cursor, to an empty one
	return table.Page{Items: items, Next: q.CursorAfter(items[limit-1])}, nil
}

// scan reads a partition of the table. Callers hold mu.
func (c *call) scan(q table.Query) []table.Item {
	p := c.w.table.parts[q.PK]
	if p == nil {
		return nil
	}
	stale := !q.Strong && c.w.strikes(staleRead, &c.dice)
	var items []table.Item
	for _, sk := range p.keys[sort.SearchStrings(p.keys, q.From):] {
		if q.To != "" && sk > q.To {
			break
		}
		a := p.rows[sk].now
		if stale {
			a = p.rows[sk].at(c.w.since() - c.dice.between(0, c.w.maxStale))
		}
		if a != nil {
			items = append(items, table.Item{Key: p.rows[sk].key, Attrs: a})
		}
	}
	return items
}

// scanIndex reads a partition of an index, each entry as old as the index
// happens to be there. Callers hold mu.
func (c *call) scanIndex(q table.Query) []table.Item {
	lag := time.Second
	if c.w.strikes(laggingIndex, &c.dice) {
		lag = maxLag
	}
	salt := c.dice.next()
	var items []table.Item
	for r := range c.w.table.index[q.PK] {
		d := dice(mixString(mixString(salt, r.key.PK), r.key.SK))
		a := r.at(c.w.since() - d.between(0, lag))
		if a == nil {
			continue
		}
		e := table.HistEntry(a)
		if q.Index == table.Due {
			e = table.DueEntry(a)
		}
		if e != nil && inRange(q, r.key, e) {
			items = append(items, table.Item{Key: r.key, Attrs: e})
		}
	}
	sort.Slice(items, func(i, j int) bool { return before(items[i], items[j]) })
	return items
}

func inRange(q table.Query, k table.Key, e table.Attrs) bool {
	if q.Index == table.Hist {
		return e[table.HistPK].Str() == q.PK && k.PK >= q.From && (q.To == "" || k.PK <= q.To)
	}
	if e[table.DuePK].Str() != q.PK {
		return false
	}
	at := e[table.DueSK].Int()
	if from, err := strconv.ParseInt(q.From, 10, 64); err == nil && at < from {
		return false
	}
	if to, err := strconv.ParseInt(q.To, 10, 64); err == nil && at > to {
		return false
	}
	return true
}

// before is the order of an index: for Due by time, then by key.
func before(a, b table.Item) bool {
	if x, y := a.Attrs[table.DueSK].Int(), b.Attrs[table.DueSK].Int(); x != y {
		return x < y
	}
	if a.PK != b.PK {
		return a.PK < b.PK
	}
	return a.SK < b.SK
}

// after drops what earlier pages had.
func after(q table.Query, items []table.Item) ([]table.Item, error) {
	pos, ok, err := q.Position()
	if !ok || err != nil {
		return items, err
	}
	last := table.Item{Key: pos.Key, Attrs: table.Attrs{table.DueSK: table.Int(pos.Due)}}
	for i, it := range items {
		less := before(last, it)
		if q.Index == "" || q.Index == table.Hist {
			less = pos.Key.PK < it.PK || pos.Key.PK == it.PK && pos.Key.SK < it.SK
		}
		if q.Desc {
			less = !less && it.Key != pos.Key
		}
		if less {
			return items[i:], nil
		}
	}
	return nil, nil
}
