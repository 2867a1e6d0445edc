package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"modernc.org/sqlite"
)

// Stmt is a statement that each connection prepares when it first uses it and
// then keeps. Make one per SQL text, at package level.
type Stmt struct{ sql string }

// NewStmt names a statement.
func NewStmt(sql string) *Stmt { return &Stmt{sql} }

// conn is one connection, used by one goroutine at a time. It talks to the
// SQLite driver directly: database/sql's pool, its context goroutines and its
// scanning cost more than the statements.
type conn struct {
	raw   driver.Conn
	stmts map[*Stmt]*prepared
}

type prepared struct {
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	close func() error
	args  []driver.NamedValue // reused by every call
	row   []driver.Value
}

func connect(dsn string) (*conn, error) {
	raw, err := (&sqlite.Driver{}).Open(dsn)
	if err != nil {
		return nil, err
	}
	return &conn{raw: raw, stmts: map[*Stmt]*prepared{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, p := range c.stmts {
		errs = append(errs, p.close())
	}
	return errors.Join(append(errs, c.raw.Close())...)
}

func (c *conn) prepare(s *Stmt, args []driver.Value) (*prepared, error) {
	p := c.stmts[s]
	if p == nil {
		st, err := c.raw.Prepare(s.sql)
		if err != nil {
			return nil, err
		}
		p = &prepared{exec: st.(driver.StmtExecContext), query: st.(driver.StmtQueryContext), close: st.Close}
		c.stmts[s] = p
	}
	p.args = p.args[:0]
	for i, a := range args {
		p.args = append(p.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return p, nil
}

// exec runs a statement. The context is always the background one: a
// cancellable context would cost a goroutine per statement, and interrupting a
// shared transaction would fail its other writes.
func (c *conn) exec(s *Stmt, args ...driver.Value) (driver.Result, error) {
	p, err := c.prepare(s, args)
	if err != nil {
		return nil, err
	}
	return p.exec.ExecContext(context.Background(), p.args)
}

// query calls each for every row until it answers false. The row is only valid
// during the call.
func (c *conn) query(s *Stmt, each func(row []driver.Value) bool, args ...driver.Value) error {
	p, err := c.prepare(s, args)
	if err != nil {
		return err
	}
	rows, err := p.query.QueryContext(context.Background(), p.args)
	if err != nil {
		return err
	}
	if n := len(rows.Columns()); len(p.row) != n {
		p.row = make([]driver.Value, n)
	}
	for {
		switch err = rows.Next(p.row); {
		case errors.Is(err, io.EOF):
			return rows.Close()
		case err != nil:
			return errors.Join(err, rows.Close())
		}
		if !each(p.row) {
			return rows.Close()
		}
	}
}

// once runs a statement that is not worth keeping.
func (c *conn) once(sql string) error {
	_, err := c.raw.(driver.ExecerContext).ExecContext(context.Background(), sql, nil)
	return err
}

// number reads a single number.
func (c *conn) number(sql string) (n int64, err error) {
	err = c.query(&Stmt{sql}, func(row []driver.Value) bool {
		n, _ = row[0].(int64)
		return false
	})
	return n, err
}
