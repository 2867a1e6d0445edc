package sample

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Refusals is how often the shop refuses a payment before it takes it.
const Refusals = 2

// work is how long the shop takes over a call.
const work = 120 * time.Millisecond

// Shop is the service that the sample workflows call. Like every service that
// is called at least once, it goes by the Idempotency-Key: a call made again
// gets the first answer again and has no further effect. The zero value is
// ready; it keeps what it was asked in memory.
type Shop struct {
	mu       sync.Mutex
	refused  map[string]int    // by key
	answered map[string]string // by key: the id that was given
	effects  int
}

// Effects counts the calls that had an effect.
func (s *Shop) Effects() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.effects
}

// Handler answers POST /stock, /payments, /gifts and /shipments.
func (s *Shop) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /stock", s.take("stock"))
	mux.Handle("POST /payments", s.refuse(s.take("payment")))
	mux.Handle("POST /gifts", s.take("gift"))
	mux.Handle("POST /shipments", s.take("shipment"))
	return mux
}

// take answers with an id that depends on the key alone.
func (s *Shop) take(kind string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if key == "" {
			answer(w, http.StatusBadRequest, map[string]any{"error": "header Idempotency-Key is missing"})
			return
		}
		select {
		case <-time.After(work):
		case <-r.Context().Done():
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.answered == nil {
			s.answered = map[string]string{}
		}
		id, again := s.answered[key]
		if !again {
			s.effects++
			id = kind + "-" + tail(key)
			s.answered[key] = id
		}
		answer(w, http.StatusCreated, map[string]any{"id": id})
	})
}

// refuse is a service that has a bad moment.
func (s *Shop) refuse(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.refused == nil {
			s.refused = map[string]int{}
		}
		key := r.Header.Get("Idempotency-Key")
		s.refused[key]++
		n := s.refused[key]
		s.mu.Unlock()
		if n <= Refusals {
			answer(w, http.StatusServiceUnavailable, map[string]any{"error": "the bank does not answer"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// tail is the end of an execution's id in a key, enough to tell orders apart.
func tail(key string) string {
	const length = 6
	for i, c := range key {
		if c == '/' {
			key = key[:i]
			break
		}
	}
	return key[max(0, len(key)-length):]
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone: nobody to tell
}
