package runner_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// tableState is the table: every item's present image. An image is never
// changed, only replaced.
type tableState map[table.Key]table.Attrs

func (s tableState) get(k table.Key) table.Attrs { return s[k] }

func (s tableState) put(k table.Key, image table.Attrs) {
	if image == nil {
		delete(s, k)
		return
	}
	s[k] = image
}

// portTable is the table as one process sees it.
type portTable struct{ p *process }

var _ table.Table = portTable{}

// Write implements table.Table.
func (t portTable) Write(ctx context.Context, wr table.Write) (table.Attrs, error) {
	if err := wr.Validate(); err != nil {
		return nil, err
	}
	var image table.Attrs
	err := t.p.effect(ctx, &op{kind: kindOf(wr), write: &wr}, func() error {
		var err error
		image, err = t.p.w.store.Write(context.WithValue(ctx, writerKey{}, t.p), wr)
		return err
	})
	if _, refused := table.Failed(err); ctx.Err() != nil && (err == nil || refused) {
		err = errors.Join(table.ErrUnknown, context.Cause(ctx)) // the answer finds nobody
	}
	if err != nil {
		return nil, err
	}
	return image, nil
}

// memory is the table without processes and ways: what the adversary, where
// there is one, stands in front of.
type memory struct{ w *world }

var _ table.Table = memory{}

// writerKey is where a write's context has the process that makes it.
type writerKey struct{}

// Write implements table.Table.
func (m memory) Write(ctx context.Context, wr table.Write) (table.Attrs, error) {
	p, _ := ctx.Value(writerKey{}).(*process)
	if p == nil {
		p = &process{name: "the store"}
	}
	return m.w.apply(ctx, p, wr)
}

// apply makes a write if its condition holds.
func (w *world) apply(ctx context.Context, p *process, wr table.Write) (table.Attrs, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.table.get(wr.Key)
	if !wr.If.Holds(old) {
		w.note("%-8s %s %s: refused", p.name, kindOf(wr), wr.Key.SK)
		return nil, &table.ConditionFailed{Old: old}
	}
	image, err := table.Apply(old, wr)
	if err != nil {
		return nil, err
	}
	w.table.put(wr.Key, image)
	table.BillWrite(ctx, wr.Key, old, image)
	w.note("%-8s %s %s: %s", p.name, kindOf(wr), wr.Key.SK, shown(wr, image))
	if _, _, ok := record.SplitPK(wr.Key.PK); ok && wr.Key.SK == "0" {
		w.remember(p, wr.Key.PK, old, image)
	}
	return image, nil
}

// shown is what of an item a person wants to see.
func shown(wr table.Write, image table.Attrs) string {
	if wr.Key.SK != "0" || image[record.AtStatus].Str() == "" {
		return strings.TrimSpace(image["k"].Str() + " " + image["why"].Str())
	}
	line := image[record.AtStatus].Str() + " ep " + strconv.FormatInt(image[record.AtEpoch].Int(), 10)
	for _, at := range []string{record.AtSignals, record.AtCrashes, record.AtCancel, record.AtPause} {
		if n := image[at].Int(); n != 0 {
			line += " " + at + " " + strconv.FormatInt(n, 10)
		}
	}
	return line
}

// remember keeps the changes of an execution's status, run and epoch. Callers
// hold mu.
func (w *world) remember(p *process, pk string, old, image table.Attrs) {
	m := moment{
		at: w.since(), by: p.name, status: record.Status(image[record.AtStatus].Str()), run: int(image[record.AtRun].Int()),
		epoch: image[record.AtEpoch].Int(), dead: strings.HasPrefix(image[table.DuePK].Str(), tenant+"#dead"),
	}
	was := strings.HasPrefix(old[table.DuePK].Str(), tenant+"#dead")
	if old[record.AtStatus] == image[record.AtStatus] && old[record.AtRun] == image[record.AtRun] && old[record.AtEpoch] == image[record.AtEpoch] && was == m.dead {
		return
	}
	if old != nil && record.Status(old[record.AtStatus].Str()).Terminal() && old[record.AtRun] == image[record.AtRun] && old[record.AtStatus] != image[record.AtStatus] {
		w.t.Errorf("%s: %s becomes %s in one run", pk, old[record.AtStatus].Str(), m.status)
	}
	w.states[pk] = append(w.states[pk], m)
}

// Get implements table.Table.
func (t portTable) Get(ctx context.Context, keys []table.Key, strong bool) ([]table.Item, error) {
	if err := t.p.look(ctx); err != nil {
		return nil, err
	}
	return t.p.w.store.Get(ctx, keys, strong)
}

// Get implements table.Table.
func (m memory) Get(_ context.Context, keys []table.Key, _ bool) ([]table.Item, error) {
	keys, err := table.UniqueKeys(keys)
	if err != nil {
		return nil, err
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	var items []table.Item
	for _, k := range keys {
		if image := m.w.table.get(k); image != nil {
			items = append(items, table.Item{Key: k, Attrs: image})
		}
	}
	return items, nil
}

// Query implements table.Table.
func (t portTable) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := t.p.look(ctx); err != nil {
		return table.Page{}, err
	}
	return t.p.w.store.Query(ctx, q)
}

// Query implements table.Table. All of the answer is one page, unless a limit
// is asked for.
func (m memory) Query(_ context.Context, q table.Query) (table.Page, error) {
	if err := q.Validate(); err != nil {
		return table.Page{}, err
	}
	if q.Desc {
		return table.Page{}, errors.New("harness: the core reads ranges forwards")
	}
	after, going, err := q.Position()
	if err != nil {
		return table.Page{}, err
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	items := m.w.table.query(q)
	if going {
		last := table.Item{Key: after.Key, Attrs: table.Attrs{table.DueSK: table.Int(after.Due)}}
		items = slices.DeleteFunc(items, func(it table.Item) bool { return inOrder(it, last) <= 0 })
	}
	if q.Limit > 0 && len(items) > q.Limit {
		return table.Page{Items: items[:q.Limit], Next: q.CursorAfter(items[q.Limit-1])}, nil
	}
	return table.Page{Items: items}, nil
}

// inOrder compares where two items stand in what a query answers.
func inOrder(a, b table.Item) int {
	return cmp.Or(cmp.Compare(a.Attrs[table.DueSK].Int(), b.Attrs[table.DueSK].Int()), cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK))
}

func (s tableState) query(q table.Query) []table.Item {
	var items []table.Item
	for k, image := range s {
		entry, in := image, k.PK == q.PK && between(q, k.SK)
		switch q.Index {
		case table.Hist:
			entry = table.HistEntry(image)
			in = entry != nil && entry[table.HistPK].Str() == q.PK && between(q, k.PK)
		case table.Due:
			entry = table.DueEntry(image)
			in = entry != nil && entry[table.DuePK].Str() == q.PK && dueBetween(q, entry[table.DueSK].Int())
		}
		if in {
			items = append(items, table.Item{Key: k, Attrs: entry})
		}
	}
	slices.SortFunc(items, inOrder)
	return items
}

func between(q table.Query, key string) bool { return key >= q.From && (q.To == "" || key <= q.To) }

func dueBetween(q table.Query, at int64) bool {
	from, errFrom := strconv.ParseInt(q.From, 10, 64)
	to, errTo := strconv.ParseInt(q.To, 10, 64)
	return (errFrom != nil || at >= from) && (errTo != nil || at <= to)
}

// Transact implements table.Table; the core never uses it.
func (t portTable) Transact(ctx context.Context, token string, ws []table.Write) error {
	return t.p.w.store.Transact(ctx, token, ws)
}

// Transact implements table.Table.
func (m memory) Transact(context.Context, string, []table.Write) error {
	m.w.t.Error("the core made a transaction")
	return table.ErrBusy
}
