package history

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// watchedAfter is the age at which the sweep has entered every open execution
// into the due index for certain: it passes at 3 minutes, each minute, over an
// index that may lag.
const watchedAfter = 5 * time.Minute

// OpenExecutions reports whether a workflow of the tenant has executions that
// have not ended. Open ones stand in the due index once they wait long or the
// sweep has passed them; younger ones are found among the latest starts. The
// due index holds all tenants' waits, so this is a call for operators.
func (r *Reader) OpenExecutions(ctx context.Context, tenant, workflow string) (bool, error) {
	s := &openSearch{r: r, tenant: tenant, workflow: workflow}
	shards, err := r.shardsOf(ctx, tenant)
	if err != nil {
		return false, err
	}
	recent := record.PK(tenant, record.FirstID(r.Now().Add(-watchedAfter)))
	for n := range shards {
		q := table.Query{Index: table.Hist, PK: record.HistShard(tenant, n), From: recent, Desc: true}
		if open, err := s.among(ctx, q); open || err != nil {
			return open, err
		}
	}
	for n := range record.DueShards {
		if open, err := s.among(ctx, table.Query{Index: table.Due, PK: record.DueShard(n)}); open || err != nil {
			return open, err
		}
	}
	return s.check(ctx)
}

type openSearch struct {
	r                *Reader
	tenant, workflow string
	ids              []string // not looked at yet
}

// among looks at the executions that a query finds, as far as whole batches go.
func (s *openSearch) among(ctx context.Context, q table.Query) (open bool, err error) {
	for {
		page, err := s.r.store().Query(ctx, q)
		if err != nil {
			return false, fmt.Errorf("history: look for open executions: %w", err)
		}
		for _, it := range page.Items {
			tenant, id, ok := record.SplitPK(it.PK)
			if !ok || tenant != s.tenant {
				continue
			}
			if wf, ok := it.Attrs[table.HistWork]; ok && wf.Str() != s.workflow {
				continue
			}
			if s.ids = append(s.ids, id); len(s.ids) == table.MaxGet {
				if open, err := s.check(ctx); open || err != nil {
					return open, err
				}
			}
		}
		if page.Next == "" {
			return false, nil
		}
		q.After = page.Next
	}
}

// check reads the METAs of the ids in hand.
func (s *openSearch) check(ctx context.Context) (open bool, err error) {
	metas, err := s.r.metas(ctx, s.tenant, s.ids, true)
	s.ids = s.ids[:0]
	for _, m := range metas {
		if m.Workflow == s.workflow && !m.Status.Terminal() {
			return true, nil
		}
	}
	return false, err
}
