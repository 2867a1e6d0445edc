package sqlite

import (
	"database/sql/driver"
	"math"
	"strconv"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// order is how an index is read: what it selects, its partition column, and the
// columns of its order, of which the first is bounded.
type order struct {
	fields, partition string
	sort              []string
}

var orders = map[string]order{
	"":         {"pk, sk, doc", "pk", []string{"sk"}},
	table.Hist: {"pk, sk, doc", "hp", []string{"pk", "sk"}},
	table.Due:  {"pk, sk, qk", "qp", []string{"qk", "pk", "sk"}},
}

// variant names one statement: the direction, and whether it goes on after a
// cursor.
type variant struct {
	index       string
	desc, after bool
}

var statements = func() map[variant]*sqlitefile.Stmt {
	m := map[variant]*sqlitefile.Stmt{}
	for index, o := range orders {
		for _, desc := range []bool{false, true} {
			for _, after := range []bool{false, true} {
				m[variant{index, desc, after}] = sqlitefile.NewStmt(o.sql(desc, after))
			}
		}
	}
	return m
}()

// sql is the statement with the parameters partition, lower bound, upper bound,
// of which a cursor's position replaces the one where the page begins: with
// both, SQLite might begin at the bound and walk up to the cursor.
func (o order) sql(desc, after bool) string {
	first := o.sort[0]
	lower, upper := first+" >= ?", first+" <= ?"
	list, marks, direction := "", "", ""
	if desc {
		direction = " DESC"
	}
	sorted := ""
	for i, column := range o.sort {
		if i > 0 {
			list, marks, sorted = list+", ", marks+", ", sorted+", "
		}
		list, marks, sorted = list+column, marks+"?", sorted+column+direction
	}
	switch {
	case after && desc:
		upper = "(" + list + ") < (" + marks + ")"
	case after:
		lower = "(" + list + ") > (" + marks + ")"
	}
	return "SELECT " + o.fields + " FROM item WHERE " + o.partition + " = ? AND " +
		lower + " AND " + upper + " ORDER BY " + sorted
}

// plan chooses the statement of a valid query and its parameters.
func plan(q table.Query) (*sqlitefile.Stmt, []driver.Value, error) {
	pos, after, err := q.Position()
	if err != nil {
		return nil, nil, err
	}
	lower, upper := bounds(q)
	begin := &lower
	if q.Desc {
		begin = &upper
	}
	if after {
		pk, sk := driver.Value(bytes(pos.Key.PK)), driver.Value(bytes(pos.Key.SK))
		switch q.Index {
		case table.Hist:
			*begin = []driver.Value{pk, sk}
		case table.Due:
			*begin = []driver.Value{pos.Due, pk, sk}
		default:
			*begin = []driver.Value{sk}
		}
	}
	args := append([]driver.Value{bytes(q.PK)}, lower...)
	return statements[variant{q.Index, q.Desc, after}], append(args, upper...), nil
}

// bounds are the query's, or ones beyond every value: keys are not
// empty, and no UTF-8 text contains the byte 0xff.
func bounds(q table.Query) (lower, upper []driver.Value) {
	if q.Index == table.Due {
		from, to := int64(math.MinInt64), int64(math.MaxInt64)
		if q.From != "" {
			from, _ = strconv.ParseInt(q.From, 10, 64) // validated
		}
		if q.To != "" {
			to, _ = strconv.ParseInt(q.To, 10, 64)
		}
		return []driver.Value{from}, []driver.Value{to}
	}
	from, to := []byte{0}, []byte{0xff}
	if q.From != "" {
		from = bytes(q.From)
	}
	if q.To != "" {
		to = bytes(q.To)
	}
	return []driver.Value{from}, []driver.Value{to}
}
