package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
)

const (
	// bodyKept is the longest body kept in memory, in bytes.
	bodyKept = 1 << 10
	// idsReserved is how many ids one opening of the file reserves: an id is
	// never used again, not even by a later process after all was deleted.
	idsReserved = 1 << 32
	// purgeEvery is how often messages beyond their retention are dropped.
	purgeEvery = 10 * time.Minute
)

var schema = []string{
	`CREATE TABLE IF NOT EXISTS message (
		id INTEGER PRIMARY KEY, lane TEXT NOT NULL, sent INTEGER NOT NULL,
		visible INTEGER NOT NULL, receives INTEGER NOT NULL, body BLOB NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS message_ids (only INTEGER PRIMARY KEY, reserved INTEGER NOT NULL)`,
	`INSERT OR IGNORE INTO message_ids (only, reserved) VALUES (1, 0)`,
}

var (
	reserveIDs = sqlitefile.NewStmt(`UPDATE message_ids SET reserved = reserved + ?`)
	selectIDs  = sqlitefile.NewStmt(`SELECT reserved FROM message_ids`)
	selectAll  = sqlitefile.NewStmt(`SELECT id, lane, sent, visible, receives,
		CASE WHEN length(body) <= ? THEN body END FROM message ORDER BY id`)
	selectBody = sqlitefile.NewStmt(`SELECT body FROM message WHERE id = ?`)
	insertOne  = sqlitefile.NewStmt(`INSERT INTO message (id, lane, sent, visible, receives, body) VALUES (?, ?, ?, ?, 0, ?)`)
	countOne   = sqlitefile.NewStmt(`UPDATE message SET receives = ? WHERE id = ?`)
	moveOne    = sqlitefile.NewStmt(`UPDATE message SET lane = ?, receives = 0 WHERE id = ?`)
	deleteOne  = sqlitefile.NewStmt(`DELETE FROM message WHERE id = ?`)
)

// load makes the table, reserves ids and takes up what is stored.
func (q *Queue) load() error {
	var stored []*message
	unknown := map[string]int{}
	err := q.file.Do(context.Background(), func(tx *sqlitefile.Tx) error {
		for _, sql := range schema {
			if _, _, err := tx.Exec(sqlitefile.NewStmt(sql)); err != nil {
				return err
			}
		}
		if err := tx.Query(selectIDs, func(row []driver.Value) bool {
			q.nextID = row[0].(int64)
			return false
		}); err != nil {
			return err
		}
		if _, _, err := tx.Exec(reserveIDs, int64(idsReserved)); err != nil {
			return err
		}
		return tx.Query(selectAll, func(row []driver.Value) bool {
			name := row[1].(string)
			l := q.lanes[queue.Lane(name)]
			if l == nil {
				unknown[name]++
				return true
			}
			body, _ := row[5].([]byte)
			stored = append(stored, &message{
				id: row[0].(int64), lane: l, sent: row[2].(int64),
				visible: row[3].(int64), receives: int(row[4].(int64)), body: body,
			})
			return true
		}, int64(bodyKept))
	})
	if err != nil {
		return fmt.Errorf("queue: reading its messages: %w", err)
	}
	if len(unknown) > 0 {
		return unreachable(unknown)
	}
	q.resume(stored)
	return nil
}

func unreachable(unknown map[string]int) error {
	var what []string
	for name, n := range unknown {
		what = append(what, fmt.Sprintf("%d in lane %q", n, name))
	}
	return errors.New("queue: messages that no configured lane would receive: " + strings.Join(what, ", "))
}

// resume makes stored messages visible, except those that are delayed still.
// Only a message that was never received can be: the others were in flight.
func (q *Queue) resume(stored []*message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now().UnixMilli()
	for _, m := range stored {
		q.messages[m.id] = m
		if m.receives == 0 && m.visible > now {
			m.lane.hide(m)
		} else {
			m.lane.back(m)
		}
		q.ready[m.lane] = true
	}
	q.look()
}

func insert(tx *sqlitefile.Tx, batch []*message) error {
	for _, m := range batch {
		if _, _, err := tx.Exec(insertOne, m.id, string(m.lane.name), m.sent, m.visible, m.body); err != nil {
			return err
		}
	}
	return nil
}

// counted is a message's number of receives.
type counted struct {
	id       int64
	receives int
}

func count(taken []counted) func(*sqlitefile.Tx) error {
	return func(tx *sqlitefile.Tx) error {
		for _, c := range taken {
			if _, _, err := tx.Exec(countOne, int64(c.receives), c.id); err != nil {
				return err
			}
		}
		return nil
	}
}

// moved writes a message's move to its present lane.
func (q *Queue) moved(m *message) {
	id, name := m.id, string(m.lane.name)
	q.file.Later(func(tx *sqlitefile.Tx) error {
		_, _, err := tx.Exec(moveOne, name, id)
		return err
	})
}

// remove deletes messages for good.
func (q *Queue) remove(ids []int64) {
	if len(ids) == 0 {
		return
	}
	for _, id := range ids {
		delete(q.messages, id)
	}
	q.file.Later(func(tx *sqlitefile.Tx) error {
		for _, id := range ids {
			if _, _, err := tx.Exec(deleteOne, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// body reads a long body.
func (q *Queue) body(id int64) (body []byte, err error) {
	err = q.file.Read(context.Background(), func(r *sqlitefile.Reader) error {
		return r.Query(selectBody, func(row []driver.Value) bool {
			body, _ = row[0].([]byte)
			return false
		}, id)
	})
	if err == nil && body == nil {
		err = errors.New("queue: the message is gone")
	}
	return body, err
}

// purge drops messages beyond their lane's retention; those in flight are left
// to their holders.
func (q *Queue) purge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return
	}
	var old []int64
	for _, l := range q.lanes {
		limit := q.now().Add(-l.config.Retention).UnixMilli()
		l.visible.filter(func(m *message) bool {
			if m.sent > limit {
				return true
			}
			old = append(old, m.id)
			return false
		})
	}
	q.remove(old)
	q.purging.Reset(purgeEvery)
}
