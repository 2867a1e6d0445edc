package proof

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
)

// 200 starts with one key at once: one execution.
func TestOneKeyOneExecution(t *testing.T) {
	t.Parallel()
	called := calledtest.New(t, 0)
	p := launch(t, t.TempDir())
	p.register(calledtest.Five("five", called.URL, ""))
	var mu sync.Mutex
	ids, fresh := map[string]bool{}, 0
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			var e started
			status, h, err := p.call("POST", "/v1/executions", `{"workflow":"five"}`, map[string]string{"Idempotency-Key": "order-1"}, &e)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || status != http.StatusAccepted && status != http.StatusOK {
				t.Errorf("start: %d %v", status, err)
				return
			}
			ids[e.ID] = true
			if h.Get("Idempotency-Replayed") == "" {
				fresh++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || fresh != 1 {
		t.Fatalf("%d executions, %d of the answers not marked as replayed; one of each wanted", len(ids), fresh)
	}
	for id := range ids {
		if ends := p.awaitAll([]string{id}, 30*time.Second); ends["succeeded"] != 1 {
			t.Fatal(ends)
		}
	}
	if calls := called.Snapshot(); len(calls) != 5 {
		t.Fatalf("called with %d keys, 5 wanted", len(calls))
	}
}

// 2,000 starts at once: each succeeds, and each step is called exactly once.
func TestTwoThousandStarts(t *testing.T) {
	t.Parallel()
	called := calledtest.New(t, 0)
	p := launch(t, t.TempDir())
	p.register(calledtest.Five("five", called.URL, ""))
	ids := p.startMany(2000, 200, "five")
	if ends := p.awaitAll(ids, 60*time.Second); len(ids) != 2000 || ends["succeeded"] != 2000 {
		t.Fatalf("%d acknowledged, ends %v; 2000 of each wanted", len(ids), ends)
	}
	calls := called.Snapshot()
	for key, n := range calls {
		if n != 1 {
			t.Errorf("%s was called %d times", key, n)
		}
	}
	if len(calls) != 5*2000 {
		t.Fatalf("%d step keys were called, %d wanted", len(calls), 5*2000)
	}
}
