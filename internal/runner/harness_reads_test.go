package runner_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// reading is a world's table whose reads a test watches and may refuse.
type reading struct {
	table.Table
	busyAt string      // reads of items whose sort key begins so are refused …
	busy   atomic.Bool // … while this is set

	mu   sync.Mutex
	keys map[table.Key]int // how often each was read
}

// reads puts a reading before the world's table.
func (w *world) reads(busyAt string) *reading {
	r := &reading{Table: w.store, busyAt: busyAt, keys: map[table.Key]int{}}
	w.store = r
	return r
}

// Get implements table.Table.
func (r *reading) Get(ctx context.Context, keys []table.Key, strong bool) ([]table.Item, error) {
	r.mu.Lock()
	for _, k := range keys {
		r.keys[k]++
	}
	r.mu.Unlock()
	for _, k := range keys {
		if r.busy.Load() && strings.HasPrefix(k.SK, r.busyAt) {
			return nil, table.ErrBusy
		}
	}
	return r.Table.Get(ctx, keys, strong)
}

// forget starts counting anew.
func (r *reading) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.keys)
}

// read is how often an item was read.
func (r *reading) read(k table.Key) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[k]
}
