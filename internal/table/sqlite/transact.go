package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// tokenLife is how long a token is remembered, as on DynamoDB.
const tokenLife = 10 * time.Minute

var (
	forgetTokens = sqlitefile.NewStmt(`DELETE FROM token WHERE at <= ?`)
	selectToken  = sqlitefile.NewStmt(`SELECT writes FROM token WHERE token = ? AND at > ?`)
	insertToken  = sqlitefile.NewStmt(`INSERT OR REPLACE INTO token (token, writes, at) VALUES (?, ?, ?)`)
)

// Transact implements table.Table. An empty token is never remembered. A token
// that comes again with other writes is ErrInvalid. The condition that failed
// first gives the *ConditionFailed.
func (t *Table) Transact(ctx context.Context, token string, ws []table.Write) error {
	if err := table.ValidateTransact(ws); err != nil {
		return err
	}
	x := transaction{table: t, token: token, writes: ws, print: table.Fingerprint(ws)}
	err := t.file.Do(ctx, x.run)
	seen, failed := table.Failed(err)
	switch {
	case failed:
		table.BillTransactFailed(ctx, ws, x.before)
		return &table.ConditionFailed{Old: maps.Clone(seen)}
	case err != nil:
		return port(err)
	case x.replayed:
		table.BillTransactReplay(ctx, ws, x.before)
	default:
		table.BillTransact(ctx, ws, x.before, x.after)
	}
	return nil
}

type transaction struct {
	table         *Table
	token, print  string
	writes        []table.Write
	before, after []table.Attrs
	replayed      bool
}

// run examines every write before it applies the first: an operation that
// refuses must not have written.
func (x *transaction) run(tx *sqlitefile.Tx) error {
	changes, refused, err := x.examine(tx)
	if err != nil {
		return err
	}
	if known, err := x.known(tx); err != nil || known {
		x.replayed = known
		return err
	}
	if refused != nil {
		return refused
	}
	for _, c := range changes {
		if err := x.table.apply(tx, c); err != nil {
			return err
		}
	}
	return x.remember(tx)
}

// examine returns the changes, or in refused why one of them cannot be made.
func (x *transaction) examine(tx *sqlitefile.Tx) (changes []*change, refused, err error) {
	for _, w := range x.writes {
		r, err := x.table.load(tx, w.Key)
		if err != nil {
			return nil, nil, err
		}
		c := &change{write: w, row: r}
		x.before = append(x.before, c.old())
		if !w.If.Holds(c.old()) {
			if refused == nil {
				refused = &table.ConditionFailed{Old: c.old()}
			}
			continue
		}
		if c.next, err = table.Apply(c.old(), w); err != nil && refused == nil {
			refused = err
		}
		changes, x.after = append(changes, c), append(x.after, c.next)
	}
	return changes, refused, nil
}

// known reports whether the token was used for these writes.
func (x *transaction) known(tx *sqlitefile.Tx) (known bool, err error) {
	if x.token == "" {
		return false, nil
	}
	other := false
	err = tx.Query(selectToken, func(row []driver.Value) bool {
		known = text(row[0]) == x.print
		other = !known
		return false
	}, bytes(x.token), x.oldest())
	if err == nil && other {
		err = fmt.Errorf("%w: the token was used for other writes", table.ErrInvalid)
	}
	return known, err
}

func (x *transaction) remember(tx *sqlitefile.Tx) error {
	if x.token == "" {
		return nil
	}
	if _, _, err := tx.Exec(forgetTokens, x.oldest()); err != nil {
		return err
	}
	_, _, err := tx.Exec(insertToken, bytes(x.token), bytes(x.print), x.table.file.Now().UnixMilli())
	return err
}

func (x *transaction) oldest() int64 { return x.table.file.Now().Add(-tokenLife).UnixMilli() }
