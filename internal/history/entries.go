package history

import (
	"context"
	"fmt"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// entries walks a tenant's history newest first, merging its shards.
type entries struct {
	table    table.Table
	workflow string // "": all
	shards   []*stream
	last     string // id looked at last, or the cursor's; "" at the beginning
}

// stream is one shard's part of the walk.
type stream struct {
	query table.Query
	items []table.Item
	ended bool
}

// take looks at entries until it has want ids of the workflow, has looked at
// most, or there are no more.
func (e *entries) take(ctx context.Context, want, most int) (ids []string, examined int, err error) {
	for len(ids) < want && examined < most {
		it, ok, err := e.next(ctx)
		if err != nil || !ok {
			return ids, examined, err
		}
		examined++
		_, id, ok := record.SplitPK(it.PK)
		if !ok || id == e.last {
			continue // the cursor's own entry: the bound includes it
		}
		e.last = id
		if e.workflow == "" || it.Attrs[table.HistWork].Str() == e.workflow {
			ids = append(ids, id)
		}
	}
	return ids, examined, nil
}

// next is the newest entry of all shards not seen yet.
func (e *entries) next(ctx context.Context) (table.Item, bool, error) {
	newest, err := e.newest(ctx)
	if err != nil || newest == nil {
		return table.Item{}, false, err
	}
	it := newest.items[0]
	newest.items = newest.items[1:]
	return it, true, nil
}

func (e *entries) newest(ctx context.Context) (*stream, error) {
	var newest *stream
	for _, s := range e.shards {
		if err := s.fill(ctx, e.table); err != nil {
			return nil, err
		}
		if len(s.items) > 0 && (newest == nil || s.items[0].PK > newest.items[0].PK) {
			newest = s
		}
	}
	return newest, nil
}

// more reports whether an entry follows. It may be one that the filter drops.
func (e *entries) more(ctx context.Context) (bool, error) {
	s, err := e.newest(ctx)
	return s != nil, err
}

// done reports whether every shard has been walked to its end.
func (e *entries) done() bool {
	for _, s := range e.shards {
		if len(s.items) > 0 || !s.ended {
			return false
		}
	}
	return true
}

// fill reads pages until the stream has an entry or has ended. A page may be
// empty and yet not the last.
func (s *stream) fill(ctx context.Context, t table.Table) error {
	for len(s.items) == 0 && !s.ended {
		page, err := t.Query(ctx, s.query)
		if err != nil {
			return fmt.Errorf("history: list: %w", err)
		}
		s.items, s.query.After, s.ended = page.Items, page.Next, page.Next == ""
	}
	return nil
}
