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
		image, err = t.p.w.apply(ctx, t.p, wr)
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
func (t portTable) Get(ctx context.Context, keys []table.Key, _ bool) ([]table.Item, error) {
	keys, err := table.UniqueKeys(keys)
	if err != nil {
		return nil, err
	}
	if err := t.p.look(ctx); err != nil {
		return nil, err
	}
	t.p.w.mu.Lock()
	defer t.p.w.mu.Unlock()
	var items []table.Item
	for _, k := range keys {
		if image := t.p.w.table.get(k); image != nil {
			items = append(items, table.Item{Key: k, Attrs: image})
		}
	}
	return items, nil
}

// Query implements table.Table. All of the answer is one page.
func (t portTable) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := q.Validate(); err != nil {
		return table.Page{}, err
	}
	if q.Desc || q.After != "" || q.Limit != 0 {
		return table.Page{}, errors.New("harness: the core reads ranges forwards and as a whole")
	}
	if err := t.p.look(ctx); err != nil {
		return table.Page{}, err
	}
	t.p.w.mu.Lock()
	defer t.p.w.mu.Unlock()
	return table.Page{Items: t.p.w.table.query(q)}, nil
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
	slices.SortFunc(items, func(a, b table.Item) int {
		return cmp.Or(cmp.Compare(a.Attrs[table.DueSK].Int(), b.Attrs[table.DueSK].Int()), cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK))
	})
	return items
}

func between(q table.Query, key string) bool { return key >= q.From && (q.To == "" || key <= q.To) }

func dueBetween(q table.Query, at int64) bool {
	from, errFrom := strconv.ParseInt(q.From, 10, 64)
	to, errTo := strconv.ParseInt(q.To, 10, 64)
	return (errFrom != nil || at >= from) && (errTo != nil || at <= to)
}

// Transact implements table.Table; the core never uses it.
func (t portTable) Transact(context.Context, string, []table.Write) error {
	t.p.w.t.Error("the core made a transaction")
	return table.ErrBusy
}
