package sqlite

import (
	"context"
	"database/sql/driver"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

const (
	// sweepEvery and sweepRows: one stretch of rows a minute. At least the
	// whole table is passed in sweepRound, for which the stretch grows.
	sweepEvery = time.Minute
	sweepRows  = 5000
	sweepRound = 24 * time.Hour
	// sweepLot bounds the deletes that share one commit with others' writes.
	sweepLot = 100
)

var (
	selectLast    = sqlitefile.NewStmt(`SELECT max(id) FROM item`)
	selectExpired = sqlitefile.NewStmt(`SELECT id, pk, sk FROM item WHERE id > ? AND id <= ? AND xp <= ?`)
	deleteExpired = sqlitefile.NewStmt(`DELETE FROM item WHERE id = ? AND xp <= ? AND pk = ? AND sk = ?`)
)

// sweep removes expired items, walking the rows in the order they were made.
// An index on the expiry would make every write dearer; that an expired item
// lingers costs nothing, because readers take it for absent.
type sweep struct {
	mu    sync.Mutex
	timer *time.Timer
	ended bool
	busy  sync.WaitGroup
	from  int64 // the last id looked at
}

func (s *sweep) start(t *Table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(sweepEvery, func() { s.tick(t) })
	t.file.OnClose(s.stop)
}

func (s *sweep) stop() {
	s.mu.Lock()
	s.ended = true
	s.timer.Stop()
	s.mu.Unlock()
	s.busy.Wait()
}

func (s *sweep) tick(t *Table) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.busy.Add(1)
	s.mu.Unlock()
	defer s.busy.Done()

	_ = t.expire() // the next tick begins where this one did

	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.timer.Reset(sweepEvery)
	}
}

type expired struct {
	id  int64
	key table.Key
}

// expire removes what has expired in the next stretch of rows.
func (t *Table) expire() error {
	now := t.file.Now().Unix()
	var found []expired
	var to int64
	err := t.file.Read(context.Background(), func(r *sqlitefile.Reader) error {
		var last int64
		if err := r.Query(selectLast, func(row []driver.Value) bool {
			last, _ = row[0].(int64) // null in an empty table
			return false
		}); err != nil {
			return err
		}
		if t.sweep.from >= last {
			t.sweep.from = 0
		}
		to = t.sweep.from + max(sweepRows, last/int64(sweepRound/sweepEvery))
		return r.Query(selectExpired, func(row []driver.Value) bool {
			found = append(found, expired{row[0].(int64), table.Key{PK: text(row[1]), SK: text(row[2])}})
			return true
		}, t.sweep.from, to, now)
	})
	if err != nil {
		return err
	}
	for len(found) > 0 {
		n := min(len(found), sweepLot)
		if err := t.file.Do(context.Background(), t.remove(found[:n], now)); err != nil {
			return err
		}
		found = found[n:]
	}
	t.sweep.from = to
	return nil
}

func (t *Table) remove(rows []expired, now int64) func(*sqlitefile.Tx) error {
	return func(tx *sqlitefile.Tx) error {
		for _, e := range rows {
			// The item may have been written again meanwhile, so the delete
			// looks at all of it again.
			n, _, err := tx.Exec(deleteExpired, e.id, now, bytes(e.key.PK), bytes(e.key.SK))
			if err != nil {
				return err
			}
			if n > 0 {
				t.cache.remove(e.key)
			}
		}
		return nil
	}
}
