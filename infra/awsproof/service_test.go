//go:build aws

package awsproof

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// service is the called side. It counts calls by their idempotency key.
type service struct {
	*httptest.Server
	pace time.Duration

	mu     sync.Mutex
	calls  map[string]int
	called chan struct{} // closed at the next call
	// poison hears of each call to /poison before it is answered.
	poison func(r *http.Request)
}

func newService(t *testing.T, pace time.Duration) *service {
	s := &service{calls: map[string]int{}, called: make(chan struct{}), pace: pace}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	s.calls[r.Header.Get("Idempotency-Key")]++
	close(s.called)
	s.called = make(chan struct{})
	n, poison := s.calls[r.Header.Get("Idempotency-Key")], s.poison
	s.mu.Unlock()
	if strings.HasPrefix(r.URL.Path, "/poison") && poison != nil {
		poison(r)
		<-r.Context().Done() // the caller is dead
		return
	}
	time.Sleep(s.pace) // a service takes its time; nothing waits for it but the steps
	if strings.HasPrefix(r.URL.Path, "/flaky") && n < 3 {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok":true}`)
}

func (s *service) snapshot() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// until waits for the calls of so many different steps.
func (s *service) until(t *testing.T, steps int) {
	t.Helper()
	late := time.After(2 * time.Minute)
	for {
		s.mu.Lock()
		have, called := len(s.calls), s.called
		s.mu.Unlock()
		if have >= steps {
			return
		}
		select {
		case <-called:
		case <-late:
			t.Fatalf("only %d of %d steps are called after two minutes", have, steps)
		}
	}
}

// five is a workflow of five calls in sequence.
func five(name, url string) string {
	var doc strings.Builder
	fmt.Fprintf(&doc, "name: %s\nsteps:\n", name)
	for i := range 5 {
		fmt.Fprintf(&doc, "  - {id: s%d, type: http, request: {method: POST, url: \"%s/s%d\", body: {n: %d}}, retry: {strategy: fixed, attempts: 20, initial: 100ms, max: 100ms, jitter: none}, attemptTimeout: 3s}\n", i, url, i, i)
	}
	return doc.String() + "output: {last: \"{{ steps.s4.output.ok }}\"}\n"
}
