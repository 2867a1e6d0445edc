package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/registry"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/secret"
	"github.com/seed-926d1ba8/stepline/internal/sign"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/sqlite"
	"github.com/seed-926d1ba8/stepline/internal/table/tabletest"
	"github.com/seed-926d1ba8/stepline/internal/webhook"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

const (
	tenant  = "default"
	key     = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	oldKey  = "whsec_b3RoZXI4b3RoZXI4b3RoZXI4b3RoZXI4"
	strange = "whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vy"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bundle is a receiver over a registry and a runner of its own, with faults in
// the table and every message kept.
type bundle struct {
	t       *testing.T
	inner   table.Table // as it is
	table   *faulty
	queue   *sink
	secrets *drawer
	reg     *registry.Registry
	log     *lockedBuffer
	clock   atomic.Int64
	*webhook.Receiver
}

func newBundle(t *testing.T) *bundle {
	t.Helper()
	return newBundleOn(t, 0)
}

// onEveryTable runs a test on a table that does as it should, and on ones that
// do all that the port allows.
func onEveryTable(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("adversary ", seed), func(t *testing.T) {
			t.Parallel()
			test(t, newBundleOn(t, seed))
		})
	}
}

// newBundleOn is a bundle on the adversary of a seed, 0 for none.
func newBundleOn(t *testing.T, seed uint64) *bundle {
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
	b := &bundle{
		t: t, inner: inner, table: &faulty{Table: inner}, queue: &sink{}, log: &lockedBuffer{},
		secrets: &drawer{values: map[string]string{"shop": key, "shop-old": oldKey}},
	}
	b.clock.Store(noon.UnixMilli())
	if seed > 0 {
		b.table.Table = tabletest.Adversary(inner, seed, tabletest.WithClock(b.now))
	}
	b.reg, err = registry.New(registry.Config{
		Table: b.table, Now: b.now, Open: func(context.Context, string, string) (bool, error) { return false, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	run, err := runner.New(runner.Config{
		Table: b.table, Queue: b.queue, Docs: b.reg, HTTP: nobody{}, Now: b.now, Random: rand.NewPCG(1, 2),
		Incarnation: "test", Keys: [][]byte{make([]byte, 32)}, Log: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Receiver, err = webhook.New(webhook.Config{Sources: b.reg, Secrets: b.secrets, Starter: run, Now: b.now, Log: slog.New(slog.NewTextHandler(b.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	b.workflow("order", "")
	b.source("shop", "")
	return b
}

func (b *bundle) now() time.Time { return time.UnixMilli(b.clock.Load()).UTC() }

func (b *bundle) pass(d time.Duration) { b.clock.Add(d.Milliseconds()) }

// workflow registers one; more are lines of its document.
func (b *bundle) workflow(name, more string) {
	b.t.Helper()
	d, err := workflow.Parse([]byte("name: " + name + "\n" + more + "\nsteps: [{id: one, type: transform, output: 1}]"))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, _, err := b.reg.Put(b.t.Context(), tenant, name, d); err != nil {
		b.t.Fatal(err)
	}
}

// source registers one that starts order; more are lines of its document, which
// may begin with verify.
func (b *bundle) source(name, more string) {
	b.t.Helper()
	if !strings.Contains(more, "verify:") {
		more = "verify: {secrets: [shop, shop-old]}\n" + more
	}
	if !strings.Contains(more, "start:") {
		more += "\nstart: {workflow: order}"
	}
	s, err := workflow.ParseSource([]byte("name: " + name + "\n" + more))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.reg.PutSource(b.t.Context(), tenant, name, s); err != nil {
		b.t.Fatal(err)
	}
}

// signed is a genuine delivery to shop, now.
func (b *bundle) signed(id, body string) webhook.Delivery {
	return b.signedWith(key, id, body)
}

func (b *bundle) signedWith(key, id, body string) webhook.Delivery {
	b.t.Helper()
	hs, err := sign.Standard(0).Sign(id, b.now(), []byte(body), key)
	if err != nil {
		b.t.Fatal(err)
	}
	d := webhook.Delivery{Tenant: tenant, Source: "shop", Body: []byte(body), Header: map[string][]string{"Content-Type": {"application/json"}}}
	for _, h := range hs {
		d.Header[canonical(h.Name)] = []string{h.Value}
	}
	return d
}

// canonical is a header's name as net/http has it.
func canonical(name string) string {
	words := strings.Split(name, "-")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "-")
}

// receive delivers as a provider does: again while we say that it is not the
// moment.
func (b *bundle) receive(d webhook.Delivery) webhook.Receipt {
	b.t.Helper()
	got, err := b.Receive(b.t.Context(), d)
	for tries := 0; problem.CodeOf(err) == problem.Unavailable && tries < 20; tries++ {
		got, err = b.Receive(b.t.Context(), d)
	}
	if err != nil || len(got.Executions) != 1 {
		b.t.Fatalf("got %+v, %v", got, err)
	}
	return got
}

func (b *bundle) refused(what string, d webhook.Delivery) {
	b.t.Helper()
	_, err := b.Receive(b.t.Context(), d)
	var p *problem.Error
	if !errors.As(err, &p) || p.Code != problem.Unauthorized || p.Detail != "there is no such source, or the signature is not valid" || p.Cause != nil || p.Faults != nil {
		b.t.Errorf("%s: got %#v, want the one refusal", what, err)
	}
}

// executions are the ids of everything that was started.
func (b *bundle) executions() []string {
	b.t.Helper()
	page, err := b.inner.Query(b.t.Context(), table.Query{Index: table.Hist, PK: record.HistShard(tenant, 0)})
	if err != nil {
		b.t.Fatal(err)
	}
	var ids []string
	for _, it := range page.Items {
		_, id, _ := record.SplitPK(it.PK)
		ids = append(ids, id)
	}
	return ids
}

func (b *bundle) only(id string) {
	b.t.Helper()
	if all := b.executions(); len(all) != 1 || all[0] != id {
		b.t.Errorf("executions are %v, want only %s", all, id)
	}
}

func (b *bundle) item(k table.Key) table.Attrs {
	b.t.Helper()
	items, err := b.inner.Get(b.t.Context(), []table.Key{k}, true)
	if err != nil || len(items) != 1 {
		b.t.Fatalf("%v: %d items, %v", k, len(items), err)
	}
	return items[0].Attrs
}

func (b *bundle) input(id string) string {
	b.t.Helper()
	in, err := record.Unpack(b.item(record.MetaKey(tenant, id))[record.AtInput].Bytes())
	if err != nil {
		b.t.Fatal(err)
	}
	return string(in)
}

// faulty is a table on which the writes to some keys fail.
type faulty struct {
	table.Table
	mu   sync.Mutex
	fail func(w table.Write) error
}

func (f *faulty) failing(fail func(w table.Write) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *faulty) Write(ctx context.Context, w table.Write) (table.Attrs, error) {
	f.mu.Lock()
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		if err := fail(w); err != nil {
			return nil, err
		}
	}
	return f.Table.Write(ctx, w)
}

// sink keeps every message.
type sink struct {
	mu   sync.Mutex
	sent []queue.Message
}

func (s *sink) Send(_ context.Context, ms []queue.Message) []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, ms...)
	return make([]error, len(ms))
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

func (*sink) Extend(context.Context, queue.Delivery, time.Duration) error { return nil }

func (*sink) Depth(context.Context, queue.Lane) (visible, inFlight, delayed int, err error) {
	return 0, 0, 0, nil
}

type nobody struct{}

func (nobody) Call(context.Context, step.Call) step.Result { return step.Result{} }

// drawer is a Secrets. While it is in trouble it knows the values that it has,
// and not whether there are others.
type drawer struct {
	mu     sync.Mutex
	values map[string]string
	err    error
}

func (d *drawer) Resolve(_ context.Context, name string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.values[name]
	switch {
	case !ok && d.err != nil:
		return "", &secret.UnavailableError{Name: name, Cause: d.err}
	case !ok:
		return "", &secret.MissingError{Name: name, Place: "the drawer"}
	}
	return v, nil
}

func (d *drawer) set(values map[string]string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.values, d.err = values, err
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func order(n int) string { return fmt.Sprintf(`{"id": "o%s", "n": %d}`, strconv.Itoa(n), n) }
