package registry_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/registry"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/sqlite"
	"github.com/seed-926d1ba8/stepline/internal/table/tabletest"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

const tenant = "acme"

// bundle is a registry over a table of its own, with a clock and faults.
type bundle struct {
	t     *testing.T
	table *faulty
	clock *clock
	open  atomic.Bool // what OpenExecutions answers
	*registry.Registry
}

// onEveryTable runs a test on a table that does as it should, and on ones that
// do all that the port allows.
func onEveryTable(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	for seed := range uint64(4) {
		name := "plain"
		if seed > 0 {
			name = fmt.Sprint("adversary ", seed)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newBundle(t, seed))
		})
	}
}

// newBundle is a registry behind the adversary of a seed, 0 for none.
func newBundle(t *testing.T, seed uint64) *bundle {
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
	b := &bundle{t: t, table: &faulty{Table: inner}, clock: &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	if seed > 0 {
		b.table.Table = tabletest.Adversary(inner, seed, tabletest.WithClock(b.clock.now))
	}
	b.Registry = b.another()
	return b
}

// another is a second process on the same table.
func (b *bundle) another() *registry.Registry {
	b.t.Helper()
	r, err := registry.New(registry.Config{
		Table: b.table, Now: b.clock.now,
		Open: func(context.Context, string, string) (bool, error) { return b.open.Load(), nil },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// document is a valid document of the name; different ns differ.
func document(t *testing.T, name string, n int) *workflow.Document {
	t.Helper()
	d, err := workflow.Parse(fmt.Appendf(nil, `{"name":%q,"steps":[{"id":"one","type":"transform","output":{"n":%d}}]}`, name, n))
	if err != nil {
		t.Fatalf("the test's own document is refused: %v", err)
	}
	return d
}

func (b *bundle) put(name string, n, version int, created bool) {
	b.t.Helper()
	v, c, err := b.Put(b.t.Context(), tenant, name, document(b.t, name, n))
	if err != nil || v != version || c != created {
		b.t.Fatalf("Put %s #%d = version %d, created %t, %v; want version %d, created %t", name, n, v, c, err, version, created)
	}
}

func (b *bundle) wantLive(r *registry.Registry, name string, version int) {
	b.t.Helper()
	v, d, err := r.Live(b.t.Context(), tenant, name)
	if err != nil || v != version || d == nil || d.Name != name {
		b.t.Fatalf("Live %s = version %d, %v, %v; want version %d with its document", name, v, d, err, version)
	}
}

func wantCode(t *testing.T, err error, code problem.Code) {
	t.Helper()
	if err == nil || problem.CodeOf(err) != code {
		t.Fatalf("error = %v (code %s), want code %s", err, problem.CodeOf(err), code)
	}
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

var errCrash = errors.New("the process died here")

// faulty is a table that counts calls and fails one of its writes.
type faulty struct {
	table.Table
	gets   atomic.Int64
	writes atomic.Int64
	// failAt is the write (from 1) that fails with fail; after: applied first.
	failAt atomic.Int64
	after  atomic.Bool
	ever   atomic.Bool // and every later one
	fail   error
	// onGet and afterGet are called before and after each Get.
	onGet, afterGet atomic.Pointer[func()]
	failGet         atomic.Pointer[error]
}

func (f *faulty) Get(ctx context.Context, keys []table.Key, strong bool) ([]table.Item, error) {
	f.gets.Add(1)
	if fn := f.onGet.Load(); fn != nil {
		(*fn)()
	}
	if err := f.failGet.Load(); err != nil {
		return nil, *err
	}
	items, err := f.Table.Get(ctx, keys, strong)
	if fn := f.afterGet.Load(); fn != nil {
		(*fn)()
	}
	return items, err
}

func (f *faulty) Write(ctx context.Context, w table.Write) (out table.Attrs, err error) {
	err = f.disturb(func() (err error) {
		out, err = f.Table.Write(ctx, w)
		return err
	})
	return out, err
}

func (f *faulty) Transact(ctx context.Context, token string, ws []table.Write) error {
	return f.disturb(func() error { return f.Table.Transact(ctx, token, ws) })
}

func (f *faulty) disturb(apply func() error) error {
	if n, at := f.writes.Add(1), f.failAt.Load(); n != at && (n < at || !f.ever.Load()) {
		return apply()
	}
	if f.after.Load() {
		if err := apply(); err != nil {
			return err
		}
	}
	return f.fail
}

// failNext makes the n-th write from now fail.
func (f *faulty) failNext(n int64, err error, after bool) {
	f.fail = err
	f.after.Store(after)
	f.ever.Store(false)
	f.failAt.Store(f.writes.Load() + n)
}

// failFrom makes the n-th write from now fail, and all after it.
func (f *faulty) failFrom(n int64, err error) {
	f.failNext(n, err, false)
	f.ever.Store(true)
}
