package history

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Documents finds the document an execution runs, of hidden names too.
type Documents interface {
	Document(ctx context.Context, tenant, name string, version int) (*workflow.Document, error)
}

// Reader reads executions. Its fields are required and not changed once it is
// in use; it is safe for concurrent use.
type Reader struct {
	Table table.Table
	Docs  Documents
	Now   func() time.Time
	// Records reads what META refers to; only Get needs it.
	Records Records

	shards shardCache
}

// store is the table, with patience.
func (r *Reader) store() table.Table { return table.Patient(r.Table) }

// shardsFor is how long a tenant's number of shards is kept. It only grows, and
// a new shard is not written to before every reader knows it.
const shardsFor = time.Minute

type shardCount struct {
	n     int
	until time.Time
}

type shardCache struct {
	mu       sync.Mutex
	byTenant map[string]shardCount
}

// shardsOf is how many history shards the tenant has.
func (r *Reader) shardsOf(ctx context.Context, tenant string) (int, error) {
	r.shards.mu.Lock()
	c, ok := r.shards.byTenant[tenant]
	r.shards.mu.Unlock()
	if ok && r.Now().Before(c.until) {
		return c.n, nil
	}
	items, err := r.store().Get(ctx, []table.Key{{PK: record.TenantsPK, SK: tenant}}, true)
	if err != nil {
		return 0, fmt.Errorf("history: read tenant: %w", err)
	}
	if len(items) == 0 {
		return record.HistShards, nil // not kept: it appears with the first workflow
	}
	if fv := items[0].Attrs["fv"].Int(); fv > record.FV {
		return 0, fmt.Errorf("history: tenant has format version %d, this binary reads up to %d", fv, record.FV)
	}
	c = shardCount{n: max(1, int(items[0].Attrs["shards"].Int())), until: r.Now().Add(shardsFor)}
	r.shards.mu.Lock()
	defer r.shards.mu.Unlock()
	if r.shards.byTenant == nil {
		r.shards.byTenant = map[string]shardCount{}
	}
	r.shards.byTenant[tenant] = c
	return c.n, nil
}
