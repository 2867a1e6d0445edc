package table

import "context"

// DynamoDB's units: a write unit is 1 KB written, a read unit 4 KB read
// strongly (half of it weakly). Every call costs at least one.
const (
	writeUnit = 1 << 10
	readUnit  = 4 << 10
)

// metered saves the computation where nobody counts.
func metered(ctx context.Context) bool { return ctx.Value(meterKey{}) != nil }

// BillWrite counts a write that was applied: old and next are the item's images
// before and after it, nil where there is none.
func BillWrite(ctx context.Context, k Key, old, next Attrs) {
	if metered(ctx) {
		Bill(ctx, float64(tableUnits(k, old, next)+indexUnits(k, old, next)), 0)
	}
}

// BillFailed counts a write whose condition did not hold: the larger of the
// item as it stands and the one that would have replaced it.
func BillFailed(ctx context.Context, w Write, old Attrs) {
	if metered(ctx) {
		Bill(ctx, float64(failedUnits(w, old)), 0)
	}
}

// BillTransact counts an applied transaction: the table's units double, the
// indexes' once. before and after are the images, in the order of ws.
func BillTransact(ctx context.Context, ws []Write, before, after []Attrs) {
	if !metered(ctx) {
		return
	}
	units := 0
	for i, w := range ws {
		units += 2*tableUnits(w.Key, before[i], after[i]) + indexUnits(w.Key, before[i], after[i])
	}
	Bill(ctx, float64(units), 0)
}

// BillTransactFailed counts a cancelled transaction: double, without indexes.
func BillTransactFailed(ctx context.Context, ws []Write, before []Attrs) {
	if !metered(ctx) {
		return
	}
	units := 0
	for i, w := range ws {
		units += 2 * failedUnits(w, before[i])
	}
	Bill(ctx, float64(units), 0)
}

// BillTransactReplay counts a transaction whose token had been used: it reads
// each item twice.
func BillTransactReplay(ctx context.Context, ws []Write, before []Attrs) {
	if !metered(ctx) {
		return
	}
	units := 0
	for i, w := range ws {
		units += 2 * ceil(ItemSize(w.Key, before[i]), readUnit)
	}
	Bill(ctx, 0, float64(units))
}

// BillGet counts a Get: each item on its own, an absent one as the smallest.
func BillGet(ctx context.Context, keys int, found []Item, strong bool) {
	if !metered(ctx) {
		return
	}
	units := keys - len(found)
	for _, it := range found {
		units += ceil(ItemSize(it.Key, it.Attrs), readUnit)
	}
	Bill(ctx, 0, consistency(units, strong))
}

// BillQuery counts one page by the size of all its items together.
func BillQuery(ctx context.Context, items []Item, strong bool) {
	if !metered(ctx) {
		return
	}
	size := 0
	for _, it := range items {
		size += ItemSize(it.Key, it.Attrs)
	}
	Bill(ctx, 0, consistency(ceil(size, readUnit), strong))
}

func consistency(units int, strong bool) float64 {
	if strong {
		return float64(units)
	}
	return float64(units) / 2
}

func tableUnits(k Key, old, next Attrs) int {
	size := 0
	if old != nil {
		size = ItemSize(k, old)
	}
	if next != nil {
		size = max(size, ItemSize(k, next))
	}
	return ceil(size, writeUnit)
}

func failedUnits(w Write, old Attrs) int {
	if w.Kind == Put {
		return tableUnits(w.Key, old, w.Set)
	}
	if next, err := Apply(old, w); err == nil {
		return tableUnits(w.Key, old, next)
	}
	return tableUnits(w.Key, old, nil)
}

func indexUnits(k Key, old, next Attrs) int {
	hist := entryUnits(k, HistEntry(old), HistEntry(next), HistPK)
	return hist + entryUnits(k, DueEntry(old), DueEntry(next), DuePK, DueSK)
}

// entryUnits is what one index is billed: an entry put, removed or changed
// costs its size, a changed key removes one entry and puts another.
func entryUnits(k Key, old, next Attrs, keys ...string) int {
	switch {
	case old == nil && next == nil:
		return 0
	case old == nil:
		return ceil(ItemSize(k, next), writeUnit)
	case next == nil:
		return ceil(ItemSize(k, old), writeUnit)
	}
	for _, name := range keys {
		if old[name] != next[name] {
			return ceil(ItemSize(k, old), writeUnit) + ceil(ItemSize(k, next), writeUnit)
		}
	}
	if old[HistWork] != next[HistWork] {
		return max(ceil(ItemSize(k, old), writeUnit), ceil(ItemSize(k, next), writeUnit))
	}
	return 0
}

// ceil is size in whole units, at least one.
func ceil(size, unit int) int { return max(1, (size+unit-1)/unit) }
