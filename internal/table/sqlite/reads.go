package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// pageBytes ends a page, as on DynamoDB.
const pageBytes = 1 << 20

// Get implements table.Table. Weak reads are not stale here.
func (t *Table) Get(ctx context.Context, keys []table.Key, strong bool) ([]table.Item, error) {
	keys, err := table.UniqueKeys(keys)
	if err != nil {
		return nil, err
	}
	items := make([]table.Item, 0, len(keys))
	err = t.file.Read(ctx, func(r *sqlitefile.Reader) error {
		for _, k := range keys {
			row, err := selectRow(r.Query, k)
			if err != nil {
				return err
			}
			if row != nil {
				items = append(items, table.Item{Key: k, Attrs: row.attrs})
			}
		}
		return nil
	})
	if err != nil {
		return nil, port(err)
	}
	table.BillGet(ctx, len(keys), items, strong)
	return items, nil
}

// Query implements table.Table.
func (t *Table) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := q.Validate(); err != nil {
		return table.Page{}, err
	}
	p := pager{query: q}
	stmt, args, err := plan(q)
	if err != nil {
		return table.Page{}, err
	}
	err = t.file.Read(ctx, func(r *sqlitefile.Reader) error {
		if err := r.Query(stmt, p.add, args...); err != nil {
			return err
		}
		return p.fault
	})
	if err != nil {
		return table.Page{}, port(err)
	}
	table.BillQuery(ctx, p.page.Items, q.Strong)
	return p.page, nil
}

// pager gathers rows until the page is full; the first row beyond it shows
// that there are more.
type pager struct {
	query table.Query
	page  table.Page
	size  int
	fault error
}

func (p *pager) add(cols []driver.Value) bool {
	if n := len(p.page.Items); n > 0 && (n == p.query.Limit || p.size >= pageBytes) {
		p.page.Next = p.query.CursorAfter(p.page.Items[n-1])
		return false
	}
	it := table.Item{Key: table.Key{PK: text(cols[0]), SK: text(cols[1])}}
	if p.query.Index == table.Due {
		it.Attrs = table.Attrs{table.DuePK: table.String(p.query.PK), table.DueSK: table.Int(cols[2].(int64))}
	} else {
		var all table.Attrs
		if all, p.fault = decode(text(cols[2])); p.fault != nil {
			return false
		}
		if it.Attrs = all; p.query.Index == table.Hist {
			it.Attrs = table.HistEntry(all)
		}
	}
	p.size += table.ItemSize(it.Key, it.Attrs)
	p.page.Items = append(p.page.Items, it)
	return true
}
