// Package calledtest is the called side of the proofs with whole processes: a
// service that counts its calls, and the workflow that calls it.
package calledtest

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

// Service answers every call, and counts calls by their idempotency key. The
// first two of each key to /flaky fail.
type Service struct {
	*httptest.Server
	pace time.Duration

	mu     sync.Mutex
	calls  map[string]int
	called chan struct{} // closed at the next call
}

// New is a service that takes its time for each answer, until the test ends.
func New(t testing.TB, pace time.Duration) *Service {
	s := &Service{calls: map[string]int{}, called: make(chan struct{}), pace: pace}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	key := r.Header.Get("Idempotency-Key")
	s.mu.Lock()
	s.calls[key]++
	n := s.calls[key]
	close(s.called)
	s.called = make(chan struct{})
	s.mu.Unlock()
	time.Sleep(s.pace) // a service takes its time; nothing waits for it but the steps
	if strings.HasPrefix(r.URL.Path, "/flaky") && n < 3 {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok":true}`)
}

// Snapshot is how often each key has called so far.
func (s *Service) Snapshot() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// Until waits for the calls of so many different steps.
func (s *Service) Until(t testing.TB, steps int) {
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

// Five is a workflow of five calls in sequence, each with further fields, such
// as ", attemptTimeout: 3s".
func Five(name, url, more string) string {
	var doc strings.Builder
	fmt.Fprintf(&doc, "name: %s\nsteps:\n", name)
	for i := range 5 {
		fmt.Fprintf(&doc, "  - {id: s%d, type: http, request: {method: POST, url: \"%s/s%d\", body: {n: %d}}, retry: {strategy: fixed, attempts: 20, initial: 100ms, max: 100ms, jitter: none}%s}\n", i, url, i, i, more)
	}
	return doc.String() + "output: {last: \"{{ steps.s4.output.ok }}\"}\n"
}
