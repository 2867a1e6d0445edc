//go:build aws

package awsproof

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Among good executions one whose step kills the process that calls it, each
// time: the good ones succeed, the poisoned one ends as crashed, and there is
// exactly one dead letter. Processes are as Lambda has them: one invocation
// each, and solo for one execution.
func TestPoisonedExecution(t *testing.T) {
	t.Parallel()
	const good = 1000
	w := newWorld(t)
	called := calledtest.New(t, 5*time.Millisecond)
	w.register(calledtest.Five("five", called.URL, brief))
	w.register(fmt.Sprintf("name: poison\nsteps:\n  - {id: dose, type: http, request: {method: POST, url: \"%s/poison\"}}\n", called.URL))
	bin := build(t, tree)

	p := &pool{w: w, bin: bin}
	healthy := called.Config.Handler
	called.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/poison" {
			_, _ = io.Copy(io.Discard, r.Body) // only then is its end noticed
			p.killCaller(r)
			<-r.Context().Done() // the caller is dead
			return
		}
		healthy.ServeHTTP(w, r)
	})
	for range 3 {
		p.add("-lanes", "high,normal,low", "-invocations", "1")
		p.add("-lanes", "solo", "-invocations", "1")
	}
	p.add("-lanes", "dead", "-invocations", "1", "-sweep", "6s")
	ids := w.start(good/2, "five")
	poisoned := w.start(1, "poison")
	ids = append(ids, w.start(good/2, "five")...)

	if ends := w.ends(ids, 5*time.Minute); ends[record.Succeeded] != good {
		t.Errorf("the good executions: %v", ends)
	}
	if ends := w.ends(poisoned, 2*time.Minute); ends[record.Failed] != 1 {
		t.Fatalf("the poisoned execution: %v", ends)
	}
	m := w.metas(poisoned)[0]
	if m.Error == nil || m.Error.Category != "crashed" {
		t.Errorf("it ended with %+v", m.Error)
	}
	if dead := w.deadLetters(); len(dead) != 1 || dead[0].PK != record.PK(tenant, poisoned[0]) {
		t.Errorf("dead letters: %v", dead)
	}
	t.Logf("the poisoned execution killed %d processes", p.killed)
}

// deadLetters lists the entries of the failure inbox.
func (w *world) deadLetters() (found []table.Item) {
	w.t.Helper()
	for shard := range 8 {
		page, err := w.Table.Query(w.t.Context(), table.Query{Index: table.Due, PK: record.DeadShard(tenant, shard)})
		if err != nil {
			w.t.Fatal(err)
		}
		found = append(found, page.Items...)
	}
	return found
}

// pool keeps processes alive: one that dies is replaced, as Lambda would.
type pool struct {
	w   *world
	bin string

	mu      sync.Mutex
	workers []*worker
	killed  int
}

func (p *pool) add(args ...string) {
	one := p.w.worker(p.bin, args...)
	p.mu.Lock()
	at := len(p.workers)
	p.workers = append(p.workers, one)
	p.mu.Unlock()
	ctx := p.w.t.Context() // ends before the workers are
	go func() {
		for {
			p.mu.Lock()
			done := p.workers[at].done
			p.mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-done:
			}
			if ctx.Err() != nil {
				return
			}
			one := p.w.worker(p.bin, args...)
			p.mu.Lock()
			p.workers[at] = one
			p.mu.Unlock()
		}
	}()
}

// killCaller kills the process that a request came from.
func (p *pool) killCaller(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.workers {
		if owns(one.cmd.Process.Pid, r.RemoteAddr) {
			p.killed++
			_ = one.cmd.Process.Kill()
		}
	}
}

// owns reports whether a process has the socket with a local address.
func owns(pid int, address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	var number int
	_, _ = fmt.Sscan(port, &number)
	sockets, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	for line := range strings.SplitSeq(string(sockets), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 10 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", number)) {
			continue
		}
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, file := range files {
			if target, _ := os.Readlink(file); target == "socket:["+fields[9]+"]" {
				return true
			}
		}
	}
	return false
}
