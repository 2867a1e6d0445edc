package step

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
)

// Many calls at once share the caller: each arrives once, under its own key,
// and gets its own answer.
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	const workers, each = 32, 20
	var mu sync.Mutex
	arrived := make(map[string]int)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		mu.Lock()
		arrived[key]++
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(strconv.Quote(key)))
	})
	h := newCaller(t, HTTPConfig{})
	var all sync.WaitGroup
	for n := range workers {
		all.Go(func() {
			for i := range each {
				key := "ex_" + strconv.Itoa(n) + "/" + strconv.Itoa(i)
				got := h.Call(t.Context(), Call{Key: key, Request: map[string]any{"method": "POST", "url": url}})
				if got.Err != nil || string(got.Output) != strconv.Quote(key) {
					t.Errorf("%s: %s, %v", key, got.Output, got.Err)
				}
			}
		})
	}
	all.Wait()
	for key, n := range arrived {
		if n != 1 {
			t.Errorf("%s arrived %d times", key, n)
		}
	}
	if len(arrived) != workers*each {
		t.Errorf("%d keys arrived, want %d", len(arrived), workers*each)
	}
}
