package sqlitefile

import (
	"database/sql/driver"
	"sync/atomic"
)

const (
	// walPerExec is the log's growth that a statement is taken for: it changes
	// some pages besides those of its values.
	walPerExec = 4 << 10
	// checkpointEvery is the growth after which the log is folded into the
	// database, in bytes.
	checkpointEvery = 24 << 20
	// restPages is what the writer may be made to fold in itself: few enough
	// that nobody notices.
	restPages = 256
	// maxPasses bounds the passes of one checkpoint: under load each leaves
	// what was written meanwhile, which gets less and less.
	maxPasses = 4
)

// checkpointer folds the log into the database beside the writer. A log is only
// begun anew by a write that finds all of it folded in, which under load never
// happens by itself; so the last short pass is the writer's own, when nothing
// can be added meanwhile.
type checkpointer struct {
	every   int64        // the growth that starts one, in bytes
	growth  atomic.Int64 // since the last
	trigger chan struct{}
	quit    chan struct{}
	ended   chan struct{}
}

var passive = NewStmt("PRAGMA wal_checkpoint(PASSIVE)")

func (k *checkpointer) start(f *File, every int64) {
	k.every = every
	k.trigger, k.quit, k.ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go k.run(f)
}

func (k *checkpointer) stop() {
	close(k.quit)
	<-k.ended
}

// grew counts the log's growth, on the writer's goroutine.
func (k *checkpointer) grew(bytes int64) {
	if k.growth.Add(bytes) < k.every {
		return
	}
	k.growth.Store(0)
	select {
	case k.trigger <- struct{}{}:
	default: // one is running; its last pass takes these pages along
	}
}

func (k *checkpointer) run(f *File) {
	defer close(k.ended)
	for {
		select {
		case <-k.quit:
			return
		case <-k.trigger:
		}
		k.checkpoint(f)
	}
}

// checkpoint folds in what is there. A failure leaves the log longer until the
// next time, nothing else.
func (k *checkpointer) checkpoint(f *File) {
	c, err := f.connect()
	if err != nil {
		return
	}
	defer func() { _ = c.close() }() // nothing is lost with it
	for range maxPasses {
		left, err := c.fold()
		if err != nil {
			return
		}
		if left < restPages {
			break
		}
	}
	f.queue.chore(func() { _, _ = f.writer.fold() })
}

// fold makes one pass and says how many pages of the log are left.
func (c *conn) fold() (left int64, err error) {
	err = c.query(passive, func(row []driver.Value) bool {
		log, _ := row[1].(int64)
		done, _ := row[2].(int64)
		left = log - done
		return false
	})
	return left, err
}
