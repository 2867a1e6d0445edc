package aws

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/step"
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

// A step must not call the runtime API of the function it runs in, under
// whatever name.
func TestOwnRuntimeIsRefused(t *testing.T) {
	t.Parallel()
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := Config{RuntimeAPI: server.Listener.Addr().String()}
	h := step.NewHTTP(step.HTTPConfig{Refuse: c.ownRuntime()})
	defer h.Close()
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "127.0.0.2", "[::ffff:127.0.0.1]"} {
		res := h.Call(t.Context(), step.Call{Request: map[string]any{"url": "http://" + host + ":" + port + "/2018-06-01/runtime/invocation/next"}})
		if res.Err == nil || res.Err.Code != "address_refused" || res.Err.Category.Retried() || res.Err.Unclear {
			t.Errorf("%s: %+v", host, res.Err)
		}
	}
	if asked {
		t.Error("the runtime API was called")
	}
	refuse := Config{RuntimeAPI: "169.254.100.1:9001"}.ownRuntime()
	for address, want := range map[string]bool{
		"169.254.100.1:9001": true, "127.0.0.1:9001": true, "[::1]:9001": true, "[::]:9001": true,
		"169.254.100.1:80": false, "127.0.0.1:8080": false, "93.184.216.34:9001": false,
	} {
		if got := refuse(netip.MustParseAddrPort(address)); got != want {
			t.Errorf("%s refused: %t", address, got)
		}
	}
	if (Config{}).ownRuntime() != nil {
		t.Error("outside of Lambda there is nothing to refuse")
	}
}
