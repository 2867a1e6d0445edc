package tabletest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Get implements table.Table.
func (h *Hostile) Get(ctx context.Context, keys []table.Key, strong bool) ([]table.Item, error) {
	if h.fires(Busy, h.rates.Busy) {
		return nil, table.ErrBusy
	}
	found, err := h.inner.Get(ctx, keys, strong)
	if err != nil {
		return nil, err
	}
	if found = h.sweep(found); strong {
		return found, nil
	}
	actual := map[table.Key]table.Attrs{}
	for _, it := range found {
		actual[it.Key] = it.Attrs
	}
	unique, err := table.UniqueKeys(keys)
	if err != nil {
		return nil, err
	}
	var items []table.Item
	for _, k := range unique {
		if image := h.stale(k, actual[k]); image != nil {
			items = append(items, table.Item{Key: k, Attrs: image})
		}
	}
	return items, nil
}

// sweep lets expired items of a result vanish, or linger.
func (h *Hostile) sweep(items []table.Item) []table.Item {
	return slices.DeleteFunc(items, func(it table.Item) bool {
		if xp := it.Attrs[table.ExpiryAttr].Int(); xp == 0 || xp > h.now().Unix() {
			return false
		}
		defer h.locks.hold(it.Key)()
		now, err := h.actual([]table.Key{it.Key})
		if err != nil || !same(now[it.Key], it.Attrs) {
			return false
		}
		return h.expire(now)[it.Key] == nil
	})
}

// Query implements table.Table.
func (h *Hostile) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if h.fires(Busy, h.rates.Busy) {
		return table.Page{}, table.ErrBusy
	}
	q.After = unwrap(q.After)
	judged := q
	if q.Index == "" {
		judged.After = "" // the inner table's own, which it judges itself
	}
	if err := judged.Validate(); err != nil {
		return table.Page{}, err
	}
	if h.fires(Empty, h.rates.Empty) {
		// The inner table still judges the query, its cursor above all.
		if _, err := h.inner.Query(ctx, q); err != nil {
			return table.Page{}, err
		}
		return table.Page{Next: h.wrap(q.After)}, nil
	}
	whole := q.Limit
	if q.Limit != 1 && h.fires(Tiny, h.rates.Tiny) {
		q.Limit = 1
		if whole > 3 || whole == 0 {
			q.Limit = 2
		}
	}
	if q.Index != "" {
		return h.lagging(ctx, q)
	}
	page, err := h.inner.Query(ctx, q)
	if err != nil {
		return page, err
	}
	if page.Items = h.sweep(page.Items); !q.Strong {
		page.Items = h.age(page.Items)
	}
	return page, nil
}

// age replaces items by what a weak read may show of them.
func (h *Hostile) age(items []table.Item) []table.Item {
	var shown []table.Item
	for _, it := range items {
		if image := h.stale(it.Key, it.Attrs); image != nil {
			shown = append(shown, table.Item{Key: it.Key, Attrs: image})
		}
	}
	return shown
}

// wrap makes a cursor that stands where another does, the beginning included,
// and is never the same one twice.
func (h *Hostile) wrap(at table.Cursor) table.Cursor {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.empties++
	return table.Cursor(fmt.Sprintf("~%d~%s", h.empties, at))
}

func unwrap(c table.Cursor) table.Cursor {
	if rest, ok := strings.CutPrefix(string(c), "~"); ok {
		if _, inner, ok := strings.Cut(rest, "~"); ok {
			return table.Cursor(inner)
		}
	}
	return c
}

// lagging answers a query of an index with what it shows by now. It reads the
// whole range, sets the items back that the index lags behind on, and cuts the
// page itself.
func (h *Hostile) lagging(ctx context.Context, q table.Query) (table.Page, error) {
	items, err := h.rangeOf(q)
	if err != nil {
		return table.Page{}, err
	}
	items = h.setBack(q, items)
	order := func(a, b table.Item) int { return position(q, a).compare(position(q, b), q.Desc) }
	slices.SortFunc(items, order)
	if p, ok, _ := q.Position(); ok {
		items = slices.DeleteFunc(items, func(it table.Item) bool {
			return position(q, it).compare(place{p.Due, p.Key}, q.Desc) <= 0
		})
	}
	page := table.Page{Items: items}
	if q.Limit > 0 && len(items) > q.Limit {
		page.Items = items[:q.Limit:q.Limit]
		page.Next = q.CursorAfter(page.Items[q.Limit-1])
	}
	table.BillQuery(ctx, page.Items, false)
	return page, nil
}

// setBack replaces the items that the index lags behind on by what it shows.
func (h *Hostile) setBack(q table.Query, items []table.Item) []table.Item {
	behind, actual := h.indexed(), map[table.Key]table.Attrs{}
	items = slices.DeleteFunc(items, func(it table.Item) bool {
		_, old := behind[it.Key]
		if old {
			actual[it.Key] = it.Attrs
		}
		return old
	})
	lags := false
	for k, image := range behind {
		it := table.Item{Key: k, Attrs: entry(q.Index, image)}
		if !inRange(q, it) {
			it.Attrs = nil
		} else {
			items = append(items, it)
		}
		lags = lags || !same(it.Attrs, actual[k])
	}
	if lags {
		h.count(Lagging)
	}
	return items
}

// rangeOf reads all of a query's range from the inner table, unbilled.
func (h *Hostile) rangeOf(q table.Query) ([]table.Item, error) {
	q.After, q.Limit = "", 0
	var items []table.Item
	for {
		page, err := h.inner.Query(context.Background(), q)
		if err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if q.After = page.Next; q.After == "" {
			return items, nil
		}
	}
}

func entry(index string, a table.Attrs) table.Attrs {
	if index == table.Hist {
		return table.HistEntry(a)
	}
	return table.DueEntry(a)
}

func inRange(q table.Query, it table.Item) bool {
	if q.Index == table.Hist {
		return it.Attrs[table.HistPK].Str() == q.PK && it.PK >= q.From && (q.To == "" || it.PK <= q.To)
	}
	at := it.Attrs[table.DueSK].Int()
	from, err1 := strconv.ParseInt(q.From, 10, 64)
	to, err2 := strconv.ParseInt(q.To, 10, 64)
	return it.Attrs[table.DuePK].Str() == q.PK && (err1 != nil || at >= from) && (err2 != nil || at <= to)
}

// place is where an item stands in an index.
type place struct {
	due int64
	key table.Key
}

func position(q table.Query, it table.Item) place {
	if q.Index == table.Due {
		return place{it.Attrs[table.DueSK].Int(), it.Key}
	}
	return place{0, it.Key}
}

func (p place) compare(o place, desc bool) int {
	c := cmp.Or(cmp.Compare(p.due, o.due), cmp.Compare(p.key.PK, o.key.PK), cmp.Compare(p.key.SK, o.key.SK))
	if desc {
		return -c
	}
	return c
}
