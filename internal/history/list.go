package history

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Sizes of a page.
const (
	DefaultLimit = 20
	MaxLimit     = 100
	// MaxExamined bounds the index entries one page looks at.
	MaxExamined = 2000
)

// Filter selects executions; the zero Filter selects all.
type Filter struct {
	Workflow string
	Version  int // 0: every version
	Status   record.Status
	From     time.Time // created at or after; zero: no bound
	To       time.Time // created before; zero: no bound
	Limit    int       // 0: DefaultLimit; at most MaxLimit
	Cursor   string    // the Next of the page before; "": the beginning
}

// List is one page.
type List struct {
	Items []Execution // without input, output and steps
	Next  string      // "" on the last page
}

// bounds are the first and last id that the filter's times let through, ""
// where there is no bound. Ids count milliseconds, so a fraction is rounded up:
// what was created in the millisecond of From counts as before it then.
func (f Filter) bounds() (first, last string) {
	ceil := func(t time.Time) time.Time {
		if ms := t.Truncate(time.Millisecond); ms.Before(t) {
			return ms.Add(time.Millisecond)
		}
		return t
	}
	if !f.From.IsZero() {
		first = record.FirstID(ceil(f.From))
	}
	if !f.To.IsZero() {
		last = record.LastID(ceil(f.To).Add(-time.Millisecond))
	}
	return first, last
}

// List answers one page of a tenant's executions, newest first. A cursor that
// does not belong to the filter is a problem.BadRequest that names it.
func (r *Reader) List(ctx context.Context, tenant string, f Filter) (List, error) {
	if f.Limit <= 0 {
		f.Limit = DefaultLimit
	}
	f.Limit = min(f.Limit, MaxLimit)
	entries, err := r.entries(ctx, tenant, f)
	if err != nil {
		return List{}, err
	}
	page := List{Items: []Execution{}}
	for examined := 0; examined < MaxExamined; {
		ids, n, err := entries.take(ctx, f.batch(len(page.Items)), MaxExamined-examined)
		if err != nil {
			return List{}, err
		}
		examined += n
		metas, err := r.metas(ctx, tenant, ids, false)
		if err != nil {
			return List{}, err
		}
		for _, id := range ids {
			m := metas[id]
			if m == nil || !f.matches(m) {
				continue
			}
			page.Items = append(page.Items, summary(m, r.Now()))
			if len(page.Items) == f.Limit {
				return page.endingAt(ctx, f, entries, id, ids)
			}
		}
		if entries.done() {
			return page, nil
		}
	}
	page.Next, err = encodeCursor(f, entries.last)
	return page, err
}

// endingAt closes a full page behind id, the last one shown, of the ids taken.
func (l List) endingAt(ctx context.Context, f Filter, e *entries, id string, ids []string) (List, error) {
	if id == ids[len(ids)-1] {
		more, err := e.more(ctx)
		if err != nil || !more {
			return l, err
		}
		id = e.last
	}
	var err error
	l.Next, err = encodeCursor(f, id)
	return l, err
}

// batch is how many METAs to read next: no more than can be shown where
// everything is shown.
func (f Filter) batch(have int) int {
	if f.Status == "" && f.Version == 0 {
		return f.Limit - have
	}
	return table.MaxGet
}

func (f Filter) matches(m *record.Meta) bool {
	return (f.Workflow == "" || m.Workflow == f.Workflow) &&
		(f.Version == 0 || m.Version == f.Version) &&
		(f.Status == "" || m.Status == f.Status)
}

// entries begins the merged walk over the tenant's shards.
func (r *Reader) entries(ctx context.Context, tenant string, f Filter) (*entries, error) {
	n, err := r.shardsOf(ctx, tenant)
	if err != nil {
		return nil, err
	}
	first, last := f.bounds()
	e := &entries{table: r.store(), workflow: f.Workflow}
	if f.Cursor != "" {
		if e.last, err = decodeCursor(f, f.Cursor); err != nil {
			return nil, badCursor(err)
		}
		if last == "" || e.last < last {
			last = e.last
		}
	}
	q := table.Query{
		Index: table.Hist, Desc: true, Limit: f.pageSize(),
		From: record.PK(tenant, first), To: record.PK(tenant, last),
	}
	if first == "" {
		q.From = record.PK(tenant, record.IDPrefix)
	}
	if last == "" {
		q.To = record.PK(tenant, record.IDPrefix+"~") // after every ULID
	}
	if q.From > q.To {
		return e, nil // an empty range, which a store may refuse to read
	}
	for shard := range n {
		q.PK = record.HistShard(tenant, shard)
		e.shards = append(e.shards, &stream{query: q})
	}
	return e, nil
}

// pageSize is how many entries to ask the index for at once: a little more than
// a page where most entries are shown, more where few are.
func (f Filter) pageSize() int {
	if f.Workflow == "" && f.Status == "" && f.Version == 0 {
		return f.Limit + 2
	}
	return 250
}

func badCursor(err error) error {
	return problem.New(problem.BadRequest, "query parameter cursor "+err.Error())
}

// metas reads the METAs of at most MaxGet ids; absent and expired ones are
// missing from the answer. What a weak read does not show is read strongly: an
// execution may be younger than the replica that was asked.
func (r *Reader) metas(ctx context.Context, tenant string, ids []string, strong bool) (map[string]*record.Meta, error) {
	found := make(map[string]*record.Meta, len(ids))
	for {
		var keys []table.Key
		for _, id := range ids {
			if _, there := found[id]; !there {
				keys = append(keys, record.MetaKey(tenant, id))
			}
		}
		if len(keys) == 0 {
			break
		}
		items, err := r.store().Get(ctx, keys, strong)
		if err != nil {
			return nil, fmt.Errorf("history: read executions: %w", err)
		}
		for _, it := range items {
			_, id, _ := record.SplitPK(it.PK)
			if record.Expired(it.Attrs, r.Now()) {
				found[id] = nil
				continue
			}
			if found[id], err = record.DecodeMeta(it); err != nil {
				return nil, fmt.Errorf("history: execution %s: %w", it.PK, err)
			}
		}
		if strong {
			break
		}
		strong = true
	}
	maps.DeleteFunc(found, func(_ string, m *record.Meta) bool { return m == nil })
	return found, nil
}
