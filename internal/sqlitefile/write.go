package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
)

// Tx is the running transaction, handed to an operation on the writer's
// goroutine. It must not be kept.
type Tx struct {
	file *File
	req  *request
	err  error // SQLite has failed: the lot is lost
	used bool
	cost int64 // an estimate of the log's growth in bytes
}

var (
	beginStmt    = NewStmt("BEGIN IMMEDIATE")
	commitStmt   = NewStmt("COMMIT")
	rollbackStmt = NewStmt("ROLLBACK")
)

// Do runs op in a transaction and returns when that is durable. An error of op
// is the answer; op must not have executed anything then. ErrBusy, ErrFull and
// ErrLost: nothing was written; ErrUnknown: perhaps. When ctx ends before the writer has
// begun, nothing is written and the error wraps ErrBusy and the context's.
func (f *File) Do(ctx context.Context, op func(*Tx) error) error {
	r := &request{op: op, done: make(chan struct{})}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if !f.queue.add(r) {
		return ErrClosed
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	}
	if f.queue.withdraw(r) {
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	<-r.done // under way: the certain answer is a moment away
	return r.err
}

// Later runs op soon without anyone waiting: in order with all other
// operations, on their commit where there is one. It is tried again until its
// commit succeeds, so it must be idempotent; a crash may lose it.
func (f *File) Later(op func(*Tx) error) {
	f.queue.add(&request{op: op})
}

// Exec runs a statement. After an error the whole lot is rolled back.
func (tx *Tx) Exec(s *Stmt, args ...driver.Value) (affected, rowid int64, err error) {
	if tx.err != nil {
		return 0, 0, tx.err
	}
	if err := tx.begin(); err != nil {
		return 0, 0, err
	}
	res, err := tx.file.writer.exec(s, args...)
	if err != nil {
		tx.err = err
		return 0, 0, err
	}
	tx.cost += walPerExec
	for _, a := range args {
		if b, ok := a.([]byte); ok {
			tx.cost += int64(len(b))
		}
	}
	affected, _ = res.RowsAffected() // never fails in this driver
	rowid, _ = res.LastInsertId()
	return affected, rowid, nil
}

// Query reads inside the transaction: each is called for every row until it
// answers false, and must not keep the row.
func (tx *Tx) Query(s *Stmt, each func(row []driver.Value) bool, args ...driver.Value) error {
	if tx.err != nil {
		return tx.err
	}
	if err := tx.begin(); err != nil {
		return err
	}
	if err := tx.file.writer.query(s, each, args...); err != nil {
		tx.err = err
		return err
	}
	return nil
}

// begin opens the transaction with the lot's first statement: a lot of failed
// conditions needs none.
func (tx *Tx) begin() error {
	if tx.used {
		return nil
	}
	if _, err := tx.file.writer.exec(beginStmt); err != nil {
		tx.err = err
		return err
	}
	tx.used = true
	return nil
}

// AfterCommit runs fn on the writer's goroutine once the transaction is
// durable, before Do returns. It must be short.
func (tx *Tx) AfterCommit(fn func()) { tx.req.after = append(tx.req.after, fn) }

// write is the writer's goroutine.
func (f *File) write() {
	defer close(f.stopped)
	for {
		lot, chores, ended := f.queue.take()
		for _, fn := range chores {
			fn()
		}
		switch {
		case len(lot) > 0:
			f.commit(lot)
			// Who has just been answered often has the next write at hand. One
			// turn for them halves the fsyncs under load; when idle it is none.
			runtime.Gosched()
		case ended:
			return
		case len(chores) == 0:
			<-f.queue.wake
		}
	}
}

// commit runs one lot in one transaction and answers it.
func (f *File) commit(lot []*request) {
	if err := f.reachable(); err != nil {
		f.fail(lot, err)
		return
	}
	tx := &Tx{file: f}
	for _, r := range lot {
		tx.req = r
		r.err = r.op(tx)
		if tx.err != nil {
			break
		}
	}
	if err := f.end(tx); err != nil {
		f.fail(lot, err)
		return
	}
	f.operations.Add(int64(len(lot)))
	for _, r := range lot {
		if r.err == nil {
			for _, fn := range r.after {
				fn()
			}
		}
		if r.done != nil {
			close(r.done)
		}
	}
	f.run(&f.onCommit)
	f.checkpoint.grew(tx.cost)
}

// end commits, or rolls back and says what that means for the lot.
func (f *File) end(tx *Tx) error {
	var err error
	switch {
	case tx.err != nil:
		err = notWritten(tx.err)
	case !tx.used:
		return nil
	default:
		if _, e := f.writer.exec(commitStmt); e != nil {
			err = notCommitted(e)
		} else {
			if tx.cost > 0 { // else it only read, and nothing was synced
				f.commits.Add(1)
			}
			return nil
		}
	}
	// SQLite has rolled back by itself after some errors; then this one fails
	// and that is well.
	_, _ = f.writer.exec(rollbackStmt)
	f.run(&f.onRollback)
	return err
}

// fail answers a lot that was rolled back or not begun. Even an operation that had refused
// cannot keep its answer: it may have seen what is gone now.
func (f *File) fail(lot []*request, err error) {
	var later []*request
	for _, r := range lot {
		if r.done == nil {
			r.after = nil
			later = append(later, r)
			continue
		}
		r.err = err
		close(r.done)
	}
	f.queue.back(later)
	if errors.Is(err, ErrFull) {
		f.checkpoint.grew(f.checkpoint.every) // a log begun anew may be the space that is missing
	}
}
