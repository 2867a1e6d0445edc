package aws

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// Calls side by side keep their connections for the next ones.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	const sideBySide, rounds = 32, 10
	var opened atomic.Int64
	all := make(chan struct{})
	var arrived atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if arrived.Add(1) == sideBySide { // of the first round: all at once
			close(all)
		}
		<-all
		_, _ = io.WriteString(w, "{}")
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := client()
	for range rounds {
		var wg sync.WaitGroup
		for range sideBySide {
			wg.Go(func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				res, err := c.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			})
		}
		wg.Wait()
	}
	// Between rounds a connection may still be on its way back to the idle ones.
	if n := opened.Load(); n < sideBySide || n > 2*sideBySide {
		t.Errorf("%d connections for %d rounds of %d calls", n, rounds, sideBySide)
	}
}
