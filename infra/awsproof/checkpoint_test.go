//go:build aws

package awsproof

import (
	"context"
	"strings"
	"sync"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

func metaKeys(ids []string) []table.Key {
	keys := make([]table.Key, len(ids))
	for i, id := range ids {
		keys[i] = table.Key{PK: record.PK(tenant, id), SK: "0"}
	}
	return keys
}

// checkpoints reads from the table which steps have their outcome, by their
// idempotency keys.
func (w *world) checkpoints(ids []string) map[string]bool {
	w.t.Helper()
	done := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan string, len(ids))
	for _, id := range ids {
		next <- id
	}
	close(next)
	for range 8 {
		wg.Go(func() {
			for id := range next {
				page, err := w.Table.Query(context.Background(), table.Query{PK: record.PK(tenant, id), Strong: true})
				if err != nil {
					w.t.Error(err)
					return
				}
				mu.Lock()
				for _, it := range page.Items {
					if step := outcome(w, it); step != "" {
						done[id+"/"+step] = true
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return done
}

// outcome is the step whose outcome an item holds, "" for none: a STEP that is
// done, or the last outcome that rides in META.
func outcome(w *world, it table.Item) string {
	if step, ok := strings.CutPrefix(it.SK, record.StepPrefix(1)); ok && record.State(it.Attrs["k"].Str()) == record.Done {
		return step
	}
	if lo := it.Attrs[record.AtLast].Bytes(); it.SK == "0" && len(lo) > 0 {
		s, err := record.DecodeLast(lo)
		if err != nil {
			w.t.Error(err)
			return ""
		}
		return s.ID
	}
	return ""
}
