package proof

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
)

// One execution kills the program each time its step is called, the program is
// started again at once, and eight healthy ones are each in a call that lasts
// longer than such a life: only the poisoned one ends as crashed.
func TestPoisonedOnOneMachine(t *testing.T) {
	t.Parallel()
	const healthy = 8
	s := &supervisor{t: t, data: t.TempDir()}
	called := calledtest.New(t, 0)
	inner := called.Config.Handler
	called.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/poison"):
			s.kill()
			return
		case strings.HasPrefix(r.URL.Path, "/slow"):
			time.Sleep(time.Second) // longer than a life
		}
		inner.ServeHTTP(w, r)
	})
	s.start()
	p := s.program()
	p.register(fmt.Sprintf("name: slow\nsteps:\n  - {id: a, type: http, request: {method: POST, url: \"%[1]s/slow\"}}\n  - {id: b, type: http, request: {method: POST, url: \"%[1]s/quick\"}}\n", called.URL))
	p.register(fmt.Sprintf("name: poison\nsteps:\n  - {id: dose, type: http, request: {method: POST, url: \"%s/poison\"}}\n", called.URL))
	ids := p.startMany(healthy, 8, "slow")
	poisoned := p.startMany(1, 1, "poison")
	if len(ids) != healthy || len(poisoned) != 1 {
		t.Fatalf("%d and %d starts were acknowledged", len(ids), len(poisoned))
	}
	limit := time.Now().Add(2 * time.Minute)
	for _, id := range append(ids, poisoned...) {
		want := "succeeded"
		if id == poisoned[0] {
			want = "failed"
		}
		for {
			var e started
			_, _, err := s.program().call("GET", "/v1/executions/"+id, "", nil, &e)
			if err == nil && e.Status == want {
				break
			}
			if time.Now().After(limit) || e.Status == "failed" {
				t.Fatalf("%s is %q (%v), want it %s after %d lives", id, e.Status, err, want, s.lives)
			}
			time.Sleep(50 * time.Millisecond) // another process, seen from outside
		}
	}
	t.Logf("%d lives", s.lives)
}

// supervisor starts the program again whenever it dies.
type supervisor struct {
	t     *testing.T
	data  string
	mu    sync.Mutex
	now   *program
	lives int
	over  bool
}

func (s *supervisor) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = launch(s.t, s.data)
	s.lives++
	s.t.Cleanup(s.end)
}

func (s *supervisor) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

func (s *supervisor) program() *program {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// kill has the program of the moment die, and its successor live.
func (s *supervisor) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.now.kill()
	s.now = launch(s.t, s.data)
	s.lives++
}
