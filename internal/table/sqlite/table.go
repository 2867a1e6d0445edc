package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Table is the driver. It lives as long as its file.
type Table struct {
	file  *sqlitefile.File
	cache cache // the writer's goroutine only
	sweep sweep
}

var _ table.Table = (*Table)(nil)

var schema = []string{
	`CREATE TABLE IF NOT EXISTS item (
		id INTEGER PRIMARY KEY,
		pk BLOB NOT NULL, sk BLOB NOT NULL,
		hp BLOB, qp BLOB, qk INTEGER, xp INTEGER,
		doc BLOB NOT NULL)`,
	`CREATE UNIQUE INDEX IF NOT EXISTS item_key ON item (pk, sk)`,
	`CREATE INDEX IF NOT EXISTS item_hist ON item (hp, pk, sk) WHERE hp IS NOT NULL`,
	`CREATE INDEX IF NOT EXISTS item_due ON item (qp, qk, pk, sk) WHERE qp IS NOT NULL`,
	`CREATE TABLE IF NOT EXISTS token (
		token BLOB PRIMARY KEY, writes BLOB NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID`,
}

// New opens the table in f, making it where it does not exist. It starts
// removing expired items in the background, until the file is closed.
func New(f *sqlitefile.File) (*Table, error) {
	t := &Table{file: f}
	t.cache.drop()
	f.OnRollback(t.cache.drop)
	err := f.Do(context.Background(), func(tx *sqlitefile.Tx) error {
		for _, sql := range schema {
			if _, _, err := tx.Exec(sqlitefile.NewStmt(sql)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("table: making its tables: %w", err)
	}
	t.sweep.start(t)
	return t, nil
}

// Write implements table.Table. When ctx ends before the write was begun, the
// error wraps ErrBusy and the context's.
func (t *Table) Write(ctx context.Context, w table.Write) (table.Attrs, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	var old, next table.Attrs
	err := t.file.Do(ctx, func(tx *sqlitefile.Tx) error {
		c, err := t.prepare(tx, w)
		if err != nil {
			return err
		}
		old, next = c.old(), c.next
		return t.apply(tx, c)
	})
	if seen, failed := table.Failed(err); failed {
		table.BillFailed(ctx, w, seen)
		return nil, &table.ConditionFailed{Old: maps.Clone(seen)}
	}
	if err != nil {
		return nil, port(err)
	}
	table.BillWrite(ctx, w.Key, old, next)
	if w.Kind == table.Check {
		return nil, nil
	}
	return maps.Clone(next), nil
}

// change is a write whose condition holds, not executed yet.
type change struct {
	write table.Write
	row   *row // as it stands; nil: absent
	next  table.Attrs
	// unread: the row was not looked for, because the write would hold if it
	// is absent, which most such writes find.
	unread bool
}

func (c *change) old() table.Attrs {
	if c.row == nil {
		return nil
	}
	return c.row.attrs
}

// prepare finds what w would do. A write that holds for an absent item is not
// looked up first: its insert finds out.
func (t *Table) prepare(tx *sqlitefile.Tx, w table.Write) (*change, error) {
	r := t.cache.get(w.Key)
	if r == nil && (w.Kind == table.Put || w.Kind == table.Update) && w.If.Holds(nil) {
		next, err := table.Apply(nil, w)
		if err != nil && !errors.Is(err, table.ErrTooLarge) {
			return nil, err
		}
		if err == nil {
			if ok, err := t.insert(tx, w.Key, next); err != nil || ok {
				return &change{write: w, next: next, unread: true}, err
			}
		}
	}
	return t.examine(tx, w)
}

// examine looks the item up and evaluates the write against it.
func (t *Table) examine(tx *sqlitefile.Tx, w table.Write) (*change, error) {
	r, err := t.load(tx, w.Key)
	if err != nil {
		return nil, err
	}
	c := &change{write: w, row: r}
	if !w.If.Holds(c.old()) {
		return nil, &table.ConditionFailed{Old: c.old()}
	}
	c.next, err = table.Apply(c.old(), w)
	return c, err
}

// load is the item as it stands in the transaction, nil when it is absent.
func (t *Table) load(tx *sqlitefile.Tx, k table.Key) (*row, error) {
	if r := t.cache.get(k); r != nil {
		return r, nil
	}
	r, err := selectRow(tx.Query, k)
	if r != nil && err == nil {
		t.cache.put(r)
	}
	return r, err
}

// apply executes a change.
func (t *Table) apply(tx *sqlitefile.Tx, c *change) error {
	k := c.write.Key
	switch {
	case c.unread, c.write.Kind == table.Check:
		return nil
	case c.write.Kind == table.Delete:
		if c.row == nil {
			return nil
		}
		t.cache.remove(k)
		_, _, err := tx.Exec(deleteRow, c.row.id)
		return err
	case c.row == nil:
		_, err := t.insert(tx, k, c.next)
		return err
	}
	return t.update(tx, c.row, c.next)
}

// port translates the file's errors into the port's.
func port(err error) error {
	switch {
	case errors.Is(err, sqlitefile.ErrFull):
		return table.ErrFull
	case errors.Is(err, sqlitefile.ErrUnknown):
		return fmt.Errorf("%w: %w", table.ErrUnknown, err)
	case errors.Is(err, sqlitefile.ErrBusy):
		return fmt.Errorf("%w: %w", table.ErrBusy, err)
	}
	return err
}
