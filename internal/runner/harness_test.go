package runner_test

import (
	"context"
	"fmt"
	"log"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// world is a place in which executions run and where only what a test scripts
// goes wrong: one table, one queue, destinations, and processes with a Runner
// each. It lives in a synctest bubble, so days pass in milliseconds.
//
//	w := a world        w.document(yaml)          what can be started
//	                    w.answers("step", …)      what its calls come back with
//	p := w.process("a") p.start(…), p.take(m), p.ask(…)
//	                    p.kill(), p.freeze(d)     what befalls a process
//	w.when(p, at, do)                             … at a write or a send
//	w.hold, w.double, w.bury(m)               … a message
//	w.lambda(), w.cron()  from now on messages are worked on, the sweep runs
//	w.until(…)          lets time pass until something holds
//
// Nothing is random and nothing happens by itself but what lambda, cron and
// the processes do. A port call takes a millisecond each way; processes differ
// by some microseconds, so that no two of them act at one instant.
type world struct {
	t     *testing.T
	start time.Time
	root  context.Context // of every invocation
	end   chan struct{}   // closed when the test is over and what is left may return
	wg    sync.WaitGroup

	mu          sync.Mutex // guards what follows; nobody sleeps while holding it
	changed     chan struct{}
	store       table.Table // of all processes: memory, or the adversary before it
	table       tableState
	queue       queueState
	net         netState
	tasks       taskState
	traps       []*trap
	effects     int
	procs       []*process
	brokenUntil time.Time // no worker can start before
	docs        map[string][]*workflow.Document
	states      map[string][]moment
	lines       []string // what happened, for a test that fails
}

const tenant = "default"

// moment is a change of an execution's status, run or epoch.
type moment struct {
	at     time.Duration
	by     string
	status record.Status
	run    int
	epoch  int64
	dead   bool // it stands among the dead letters
}

// ground makes the table under a world; its tests may stand on a real engine
// (harness_aws_test.go).
var ground = func(w *world) table.Table { return memory{w} }

// inWorld runs a test in a world of its own, beside other tests.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Parallel()
	oneWorld(t, func(w *world) { test(w.t, w) })
}

// oneWorld runs a part of a test in a world of its own.
func oneWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &world{
			t: t, start: time.Now(), root: ctx, end: make(chan struct{}), changed: make(chan struct{}),
			table: tableState{}, queue: newQueue(), net: newNet(), docs: map[string][]*workflow.Document{}, states: map[string][]moment{},
		}
		w.table.put(table.Key{PK: record.TenantsPK, SK: tenant}, table.Attrs{"fv": table.Int(1), "shards": table.Int(1)})
		w.store = ground(w)
		defer w.close(cancel)
		test(w)
	})
}

// close lets everything that is still under way return. A trap that nothing
// fell into means that the test did not test what it says.
func (w *world) close(cancel context.CancelFunc) {
	if !w.t.Failed() {
		for _, tr := range w.traps {
			if tr.hits == 0 && !tr.optional {
				w.t.Errorf("nothing ever came to %s", tr.name)
			}
		}
	}
	if w.t.Failed() {
		w.t.Log("what happened:\n" + strings.Join(w.lines[max(0, len(w.lines)-120):], "\n"))
	}
	close(w.end)
	cancel()
	w.wg.Wait()
}

// over reports whether the test has ended.
func (w *world) over() bool {
	select {
	case <-w.end:
		return true
	default:
		return false
	}
}

// since is the time since the world began.
func (w *world) since() time.Duration { return time.Since(w.start) }

// pass lets time pass.
func (w *world) pass(d time.Duration) { time.Sleep(d) } // of the bubble

// note adds a line to what happened and wakes whoever waits for a change.
// Callers hold mu.
func (w *world) note(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf("%12s  ", w.since())+fmt.Sprintf(format, args...))
	w.touch()
}

// touch wakes whoever waits for a change. Callers hold mu.
func (w *world) touch() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// until lets time pass until cond holds, and fails the test when it does not
// within that time.
func (w *world) until(what string, within time.Duration, cond func() bool) {
	w.t.Helper()
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		if cond() {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			if !cond() {
				w.t.Fatalf("within %s this never came to be: %s", within, what)
			}
			return
		}
	}
}

// document registers the next version of a workflow.
func (w *world) document(yaml string) {
	w.t.Helper()
	doc, err := workflow.Parse([]byte(yaml))
	if err != nil {
		w.t.Fatalf("document: %v", err)
	}
	w.docs[doc.Name] = append(w.docs[doc.Name], doc)
}

// meta is an execution's META as it stands, for the eyes of the test only.
func (w *world) meta(id string) *record.Meta {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	key := record.MetaKey(tenant, id)
	image := w.table.get(key)
	if image == nil {
		w.t.Fatalf("%s does not exist", id)
	}
	m, err := record.DecodeImage(key.PK, image)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// status is an execution's status.
func (w *world) status(id string) record.Status { w.t.Helper(); return w.meta(id).Status }

// item is any item as it stands, nil when there is none.
func (w *world) item(k table.Key) table.Attrs {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.table.get(k))
}

// messages lists an execution's messages that are stored, in flight and dead
// ones included, the oldest first.
func (w *world) messages(id string) []*message {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*message
	for _, m := range w.queue.all {
		if m.pk == record.PK(tenant, id) {
			all = append(all, m)
		}
	}
	return all
}

// message is the one message of an execution.
func (w *world) message(id string) *message {
	w.t.Helper()
	all := w.messages(id)
	if len(all) != 1 {
		w.t.Fatalf("%d messages, want one: %v", len(all), all[:min(len(all), 5)])
	}
	return all[0]
}

// lanes is where messages are handed out from, in this order.
var lanes = []queue.Lane{queue.High, queue.Normal, queue.Low, queue.Solo, queue.Dead}

// TestMain warms up what record shares between all worlds: its encoder makes
// channels at the first use, and those must not belong to one bubble.
func TestMain(m *testing.M) {
	if _, err := record.Unpack(record.Pack([]byte(strings.Repeat("warm ", 100)))); err != nil {
		log.Fatal(err)
	}
	m.Run()
}
