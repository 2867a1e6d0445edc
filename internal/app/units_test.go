package app_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/app"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/sqlite"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// TestMain warms up what record shares between all tests: its encoder makes
// what it needs with its first use, which must not happen inside one test's
// bubble of time.
func TestMain(m *testing.M) {
	if _, err := record.Unpack(record.Pack([]byte(strings.Repeat("warm ", 100)))); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// What an execution costs is a promise (README, What it costs): each write is
// one of these and no other, and the execution says so itself.
func TestUnitsOfAnExecution(t *testing.T) {
	t.Parallel()
	five := map[string]float64{"start": 2, "lease": 1, "step": 4, "finish": 1}
	with := func(more map[string]float64) map[string]float64 {
		all := maps.Clone(five)
		for kind, n := range more {
			all[kind] += n
		}
		return all
	}
	for name, c := range map[string]struct {
		key      string
		workflow string
		broken   int32 // calls that fail before the first success
		units    map[string]float64
		reads    float64
	}{
		"five steps":              {"", "five", 0, five, 0},
		"five steps, with a key":  {"k-1", "five", 0, with(map[string]float64{"key": 1}), 0},
		"a retry within a second": {"", "five", 1, with(map[string]float64{"step": 1}), 0},
		"a retry within minutes":  {"", "patient", 1, with(map[string]float64{"step": 1, "release": 1, "lease": 1}), 1},
		"a wait within minutes":   {"", "waiting", 0, with(map[string]float64{"step": 1, "release": 1, "lease": 1}), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBundle(t)
				b.register("five", five1K("10ms", ""))
				b.register("patient", five1K("30s", ""))
				b.register("waiting", five1K("10ms", `{"id":"w","type":"wait","duration":"30s"},`))
				b.run(runner.StartRequest{Workflow: c.workflow}) // what is read once for all is read now
				b.bill = bill{writes: map[string]float64{}}
				b.broken.Store(c.broken)
				id := b.run(runner.StartRequest{Workflow: c.workflow, Key: c.key, Input: []byte(`{"order":"o-1"}`)})

				total := 0.0
				for _, n := range c.units {
					total += n
				}
				if !maps.Equal(b.bill.writes, c.units) || b.bill.reads != c.reads {
					t.Errorf("write units %v and %v read units, want %v and %v", b.bill.writes, b.bill.reads, c.units, c.reads)
				}
				x, err := b.History.Get(t.Context(), tenant, id)
				if err != nil || x.Status != record.Succeeded {
					t.Fatalf("ended as %+v, %v", x, err)
				}
				if x.Cost.WriteUnits != total || x.Cost.ReadUnits != c.reads {
					t.Errorf("tells of %v write and %v read units, the meter of %v and %v", x.Cost.WriteUnits, x.Cost.ReadUnits, total, c.reads)
				}
			})
		})
	}
}

const tenant = "acme"

// five1K is a document of five calls; more stands before the last.
func five1K(delay, more string) string {
	var steps []string
	for i := range 5 {
		if i == 4 {
			steps = append(steps, strings.TrimSuffix(more, ","))
		}
		steps = append(steps, fmt.Sprintf(`{"id":"s%d","type":"http","request":{"method":"POST","url":"URL/s%d","body":{"order":"{{ input.order ?? 'none' }}"}}}`, i, i))
	}
	list := strings.ReplaceAll(strings.Join(steps, ","), ",,", ",")
	return fmt.Sprintf(`{"name":"NAME","retry":{"strategy":"fixed","attempts":3,"initial":%q,"max":%q,"jitter":"none"},"steps":[%s],"output":{"last":"{{ steps.s4.output.id }}"}}`, delay, delay, list)
}

// bundle is the services over a table that counts, with a worker that takes
// one message after the other.
type bundle struct {
	*app.Services
	t      *testing.T
	broken atomic.Int32
	taken  atomic.Int64        // messages
	sfn    *step.StateMachines // nil: none
	tasks  tasks
	kills  atomic.Int32 // calls of it and stops in which the worker dies
	table  mortal
	lane   queue.Lane // of the message in hand
	sent   held
	passed atomic.Int64
	bill   bill
	log    bytes.Buffer // behind the handler's lock
}

// embedded is a table on a file of its own.
func embedded(t *testing.T) table.Table {
	t.Helper()
	file, err := sqlitefile.Open(t.TempDir(), sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	inner, err := sqlite.New(file)
	if err != nil {
		t.Fatal(err)
	}
	return inner
}

func newBundle(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, bill: bill{writes: map[string]float64{}}}
	b.table.Table = embedded(t)
	var err error
	b.Services, err = app.New(app.Ports{Table: &billed{&b.table, &b.bill}, Queue: &b.sent, HTTP: b, Tasks: &b.tasks, Now: b.now, Incarnation: "p1"},
		app.Config{Keys: [][]byte{make([]byte, 32)}, PublicURL: "http://localhost", Log: slog.New(slog.NewJSONHandler(&b.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bundle) now() time.Time { return time.Now().Add(time.Duration(b.passed.Load())) }

// Call answers each step with some 400 bytes, half of them noise, unless it is
// to fail. No network stands between: how long the machine takes must not count.
func (b *bundle) Call(ctx context.Context, c step.Call) step.Result {
	if c.Type == "stepfunctions" {
		res := step.Router{StateMachines: b.sfn}.Call(ctx, c)
		b.mayDie()
		return res
	}
	if b.broken.Add(-1) >= 0 {
		return step.Result{
			Err:      &step.Error{Category: retry.Upstream, Code: "503", Message: "the service answered 503"},
			Response: &step.Response{Status: http.StatusServiceUnavailable},
		}
	}
	noise := make([]byte, 180)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	return step.Result{
		Output:   fmt.Appendf(nil, `{"id":%q,"note":%q}`, c.Key, hex.EncodeToString(noise)),
		Response: &step.Response{Status: http.StatusOK, Headers: map[string]string{"content-type": "application/json"}},
	}
}

// Stop passes what is to be stopped on.
func (b *bundle) Stop(ctx context.Context, c step.Call) error {
	err := step.Router{StateMachines: b.sfn}.Stop(ctx, c)
	b.mayDie()
	return err
}

// mayDie is where a worker dies: nothing that it writes arrives from then on.
func (b *bundle) mayDie() {
	if b.kills.Add(-1) >= 0 {
		b.table.dead.Store(true)
	}
}

// revive starts another worker, when the lease of the one before has expired.
func (b *bundle) revive() {
	b.table.dead.Store(false)
	b.passed.Add(int64(5 * time.Minute))
}

// tasks answers the tasks of a fake Step Functions, once there is one.
type tasks struct{ runner.Tasks }

func (b *bundle) register(name, src string) {
	b.t.Helper()
	src = strings.NewReplacer("NAME", name, "URL", "http://service").Replace(src)
	doc, err := workflow.Parse([]byte(src))
	if err != nil {
		b.t.Fatalf("the test's own document is refused: %v\n%s", err, src)
	}
	if _, _, err := b.Registry.Put(b.t.Context(), tenant, name, doc); err != nil {
		b.t.Fatal(err)
	}
}

// run starts an execution and works on its messages until there are no more.
func (b *bundle) run(s runner.StartRequest) (id string) {
	b.t.Helper()
	s.Tenant = tenant
	started, err := b.Runner.Start(b.t.Context(), s)
	if err != nil {
		b.t.Fatal(err)
	}
	b.work()
	return started.ID
}

// work takes messages until there are no more.
func (b *bundle) work() {
	b.t.Helper()
	for {
		m, more := b.sent.take()
		if !more {
			return
		}
		if !b.deliver(m) {
			b.t.Fatal("a message was not done")
		}
	}
}

// deliver works on one message, when it is due, and reports whether that is
// done with.
func (b *bundle) deliver(m queue.Message) bool {
	b.t.Helper()
	b.passed.Add(int64(m.Delay))
	b.lane = m.Lane
	span := time.Minute
	if m.Lane == queue.Solo {
		span = 15 * time.Minute
	}
	ctx, cancel := context.WithDeadline(b.t.Context(), b.now().Add(span))
	defer cancel()
	return len(b.Runner.Handle(ctx, []queue.Delivery{{ID: fmt.Sprint("m", b.taken.Add(1)), Body: m.Body, Lane: m.Lane, Receives: 1}})) == 0
}

// mortal is a table of a process that may die: from a write on, nothing it
// writes arrives.
type mortal struct {
	table.Table
	dead atomic.Bool
	last atomic.Pointer[string] // the sort key of the last write; nil: it lives
}

func (m *mortal) Write(ctx context.Context, w table.Write) (table.Attrs, error) {
	if m.dead.Load() {
		return nil, errors.New("the process has died")
	}
	image, err := m.Table.Write(ctx, w)
	if last := m.last.Load(); last != nil && *last == w.Key.SK {
		m.dead.Store(true)
	}
	return image, err
}

// held is a queue that holds what is sent until it is taken.
type held struct {
	queue.Queue
	mu sync.Mutex
	ms []queue.Message
}

func (h *held) Send(_ context.Context, ms []queue.Message) []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ms = append(h.ms, ms...)
	return make([]error, len(ms))
}

func (*held) Extend(context.Context, queue.Delivery, time.Duration) error { return nil }

// Depth implements queue.Queue: a sweep asks what waits.
func (h *held) Depth(context.Context, queue.Lane) (visible, inFlight, delayed int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ms), 0, 0, nil
}

func (h *held) take() (m queue.Message, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ms) == 0 {
		return m, false
	}
	m, h.ms = h.ms[0], h.ms[1:]
	return m, true
}

// bill is the units used so far, the written ones by what they are for.
type bill struct {
	mu     sync.Mutex
	writes map[string]float64
	reads  float64
}

// billed is a table that puts every call's units on a bill.
type billed struct {
	table.Table
	bill *bill
}

func (b *billed) count(ctx context.Context, kind string, call func(context.Context) error) error {
	m := &table.Meter{}
	err := call(table.WithMeter(ctx, m))
	b.bill.mu.Lock()
	defer b.bill.mu.Unlock()
	b.bill.reads += m.ReadUnits()
	if n := m.WriteUnits(); n > 0 {
		b.bill.writes[kind] += n
	}
	return err
}

func (b *billed) Get(ctx context.Context, keys []table.Key, strong bool) (items []table.Item, err error) {
	err = b.count(ctx, "get", func(ctx context.Context) error {
		items, err = b.Table.Get(ctx, keys, strong)
		return err
	})
	return items, err
}

func (b *billed) Query(ctx context.Context, q table.Query) (page table.Page, err error) {
	err = b.count(ctx, "query", func(ctx context.Context) error {
		page, err = b.Table.Query(ctx, q)
		return err
	})
	return page, err
}

func (b *billed) Write(ctx context.Context, w table.Write) (image table.Attrs, err error) {
	err = b.count(ctx, kindOf(w), func(ctx context.Context) error {
		image, err = b.Table.Write(ctx, w)
		return err
	})
	return image, err
}

func (b *billed) Transact(ctx context.Context, token string, ws []table.Write) error {
	return b.count(ctx, "transaction", func(ctx context.Context) error { return b.Table.Transact(ctx, token, ws) })
}

// kindOf is which of the protocol's writes this is.
func kindOf(w table.Write) string {
	st, moved := w.Set[record.AtStatus]
	switch {
	case strings.Contains(w.Key.PK, "#k#"):
		return "key"
	case strings.HasPrefix(w.Key.SK, "s#"):
		return "step"
	case w.Key.SK == record.TaskSK:
		return "task"
	case w.Key.SK != "0" || !strings.Contains(w.Key.PK, "#"+record.IDPrefix):
		return "other item " + w.Key.SK
	case w.Kind == table.Put:
		return "start"
	case !moved:
		return "other update"
	case record.Status(st.Str()) == record.Running:
		return "lease"
	case record.Status(st.Str()).Terminal():
		return "finish"
	}
	return "release"
}
