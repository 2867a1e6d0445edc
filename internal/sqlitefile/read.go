package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
)

// maxReaders is how many reads run at once.
const maxReaders = 4

// pool lends read connections; they are opened when first needed.
type pool struct {
	open  func() (*conn, error)
	slots chan *conn // nil entries: a connection not opened yet
	ended chan struct{}
	once  sync.Once
}

func (p *pool) init(open func() (*conn, error)) {
	p.open, p.slots, p.ended = open, make(chan *conn, maxReaders), make(chan struct{})
	for range maxReaders {
		p.slots <- nil
	}
}

func (p *pool) get(ctx context.Context) (*conn, error) {
	select {
	case <-p.ended:
		return nil, ErrClosed
	default:
	}
	select {
	case c := <-p.slots:
		if c != nil {
			return c, nil
		}
		c, err := p.open()
		if err != nil {
			p.slots <- nil
		}
		return c, err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.ended:
		return nil, ErrClosed
	}
}

func (f *File) openReader() (*conn, error) {
	c, err := f.connect()
	if err != nil {
		return nil, err
	}
	for _, pragma := range []string{"query_only = 1", "busy_timeout = 5000", "cache_size = -16384"} {
		if err := c.once("PRAGMA " + pragma); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// close waits for the reads in hand.
func (p *pool) close() error {
	if p.slots == nil {
		return nil
	}
	var errs []error
	p.once.Do(func() {
		close(p.ended)
		for range maxReaders {
			if c := <-p.slots; c != nil {
				errs = append(errs, c.close())
			}
		}
	})
	return errors.Join(errs...)
}

// Reader reads committed state, what the writer has answered included.
type Reader struct{ conn *conn }

// Query calls each for every row until it answers false; each must not keep the
// row.
func (r *Reader) Query(s *Stmt, each func(row []driver.Value) bool, args ...driver.Value) error {
	return r.conn.query(s, each, args...)
}

// Read lends fn a reader. Errors of SQLite wrap ErrBusy.
func (f *File) Read(ctx context.Context, fn func(*Reader) error) error {
	c, err := f.readers.get(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	defer func() { f.readers.slots <- c }()
	if err := fn(&Reader{c}); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return nil
}
