package sqlite

import (
	"database/sql/driver"
	"unsafe"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

var (
	insertRow = sqlitefile.NewStmt(`INSERT INTO item (pk, sk, hp, qp, qk, xp, doc) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (pk, sk) DO NOTHING`)
	updateDoc = sqlitefile.NewStmt(`UPDATE item SET doc = ? WHERE id = ?`)
	updateRow = sqlitefile.NewStmt(`UPDATE item SET hp = ?, qp = ?, qk = ?, xp = ?, doc = ? WHERE id = ?`)
	deleteRow = sqlitefile.NewStmt(`DELETE FROM item WHERE id = ?`)
	selectOne = sqlitefile.NewStmt(`SELECT id, doc FROM item WHERE pk = ? AND sk = ?`)
)

// insert adds the item; false when there is one already.
func (t *Table) insert(tx *sqlitefile.Tx, k table.Key, a table.Attrs) (bool, error) {
	c := columns(a)
	n, id, err := tx.Exec(insertRow, bytes(k.PK), bytes(k.SK), c[0], c[1], c[2], c[3], encode(a))
	if err != nil || n == 0 {
		return false, err
	}
	t.cache.put(&row{key: k, id: id, attrs: a, size: table.ItemSize(k, a)})
	return true, nil
}

func (t *Table) update(tx *sqlitefile.Tx, r *row, a table.Attrs) error {
	t.cache.put(&row{key: r.key, id: r.id, attrs: a, size: table.ItemSize(r.key, a)})
	if sameColumns(r.attrs, a) {
		_, _, err := tx.Exec(updateDoc, encode(a), r.id)
		return err
	}
	c := columns(a)
	_, _, err := tx.Exec(updateRow, c[0], c[1], c[2], c[3], encode(a), r.id)
	return err
}

// columns are the values of hp, qp, qk and xp.
func columns(a table.Attrs) (c [4]driver.Value) {
	if v, ok := a[table.HistPK]; ok {
		c[0] = bytes(v.Raw())
	}
	if due := table.DueEntry(a); due != nil {
		c[1], c[2] = bytes(due[table.DuePK].Raw()), due[table.DueSK].Int()
	}
	if v, ok := a[table.ExpiryAttr]; ok {
		c[3] = v.Int()
	}
	return c
}

func sameColumns(a, b table.Attrs) bool {
	for _, name := range [...]string{table.HistPK, table.DuePK, table.DueSK, table.ExpiryAttr} {
		if a[name] != b[name] {
			return false
		}
	}
	return true
}

// querier is either a transaction's or a reader's Query.
type querier func(*sqlitefile.Stmt, func([]driver.Value) bool, ...driver.Value) error

func selectRow(query querier, k table.Key) (r *row, err error) {
	var fault error
	err = query(selectOne, func(cols []driver.Value) bool {
		r = &row{key: k, id: cols[0].(int64)}
		r.attrs, fault = decode(text(cols[1]))
		return false
	}, bytes(k.PK), bytes(k.SK))
	if err == nil {
		err = fault
	}
	if err != nil || r == nil {
		return nil, err
	}
	r.size = table.ItemSize(k, r.attrs)
	return r, nil
}

// bytes binds a string as a blob, whose order is bytewise; the driver copies
// it. It never changes the bytes.
func bytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// text takes a blob over: the driver made it for this row alone.
func text(v driver.Value) string {
	b, _ := v.([]byte)
	return unsafe.String(unsafe.SliceData(b), len(b))
}
