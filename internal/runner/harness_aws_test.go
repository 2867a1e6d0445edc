//go:build aws

package runner_test

import (
	"context"
	"maps"
	"sync"

	"github.com/seed-926d1ba8/stepline/internal/standintest"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/dynamodb"
)

// With this tag every world stands on DynamoDB Local: its reads and writes are
// made there. The memory follows each write and must say the same of it, of its
// condition, of the old image and of the new one.
func init() {
	ground = func(w *world) table.Table {
		cfg := standintest.VirtualTables()
		e := &engine{Table: dynamodb.New(dynamodb.Config{
			Name: standintest.NewTable(w.t, cfg), AWS: cfg, Endpoint: standintest.Tables(w.t),
			OnMismatch: func(m dynamodb.Mismatch) { w.t.Errorf("units differ: %+v", m) },
		}), memory: memory{w}}
		for k, image := range w.table {
			if _, err := e.Table.Write(context.Background(), table.Write{Key: k, Kind: table.Put, Set: image, If: table.IfAbsent()}); err != nil {
				w.t.Fatal(err)
			}
		}
		return e
	}
}

// engine is DynamoDB Local with the memory following.
type engine struct {
	*dynamodb.Table
	memory memory

	mu sync.Mutex // keeps the order of writes the same in both
}

// Write implements table.Table. What a dead process has sent still arrives.
func (e *engine) Write(ctx context.Context, wr table.Write) (table.Attrs, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	image, err := e.Table.Write(context.WithoutCancel(ctx), wr)
	followed, ferr := e.memory.Write(context.WithValue(context.Background(), writerKey{}, ctx.Value(writerKey{})), wr)
	old, refused := table.Failed(err)
	fold, frefused := table.Failed(ferr)
	if refused != frefused || (err == nil) != (ferr == nil) || !maps.Equal(image, followed) || !maps.Equal(old, fold) {
		e.memory.w.t.Errorf("%s %v: DynamoDB answers %v, %v (old %v); the memory %v, %v (old %v)", kindOf(wr), wr.Key, image, err, old, followed, ferr, fold)
	}
	return image, err
}

// Get implements table.Table.
func (e *engine) Get(ctx context.Context, keys []table.Key, strong bool) ([]table.Item, error) {
	return e.Table.Get(context.WithoutCancel(ctx), keys, strong)
}

// Query implements table.Table.
func (e *engine) Query(ctx context.Context, q table.Query) (table.Page, error) {
	return e.Table.Query(context.WithoutCancel(ctx), q)
}

// Transact implements table.Table; the core never uses it.
func (e *engine) Transact(ctx context.Context, token string, ws []table.Write) error {
	return e.memory.Transact(ctx, token, ws)
}
