package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/registry"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/sqlite"
	"github.com/seed-926d1ba8/stepline/internal/webhook"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// someID is the id of an execution created at noon.
var someID = record.NewID(noon, [10]byte{1})

// bundle is the API as the one-machine program mounts it, on a real registry
// and a fake engine. Every answer is checked against the OpenAPI document.
type bundle struct {
	t        *testing.T
	engine   *fakeEngine
	reads    *fakeReads
	events   *fakeEvents
	table    *countedTable
	open     atomic.Bool
	registry *registry.Registry
	log      *lockedBuffer
	http.Handler
}

func newBundle(t *testing.T) *bundle {
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
	b := &bundle{t: t, engine: &fakeEngine{}, reads: &fakeReads{}, events: &fakeEvents{}, table: &countedTable{Table: inner}, log: &lockedBuffer{}}
	now := func() time.Time { return noon }
	reg, err := registry.New(registry.Config{
		Table: b.table, Now: now,
		Open: func(context.Context, string, string) (bool, error) { return b.open.Load(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.registry = reg
	a := b.api(t, nil)
	mux, webhooks := http.NewServeMux(), a.Handler(api.Webhook)
	for _, r := range api.Routes() {
		if r.Function != api.Webhook {
			mux.Handle(r.Method+" "+r.Pattern, a.Handler(r.Function))
		}
	}
	mux.Handle("/", a.Handler(""))
	b.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if onWebhookAddress(r) {
			webhooks.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
	return b
}

// onWebhookAddress reports whether a request of a test goes to the address of
// its own that webhooks and callbacks have.
func onWebhookAddress(r *http.Request) bool {
	return r.Host == "hooks.example.com" || strings.HasPrefix(r.URL.Path, "/-/")
}

type reply struct {
	status int
	header http.Header
	body   string
}

// do makes a request; headers are names and values in turn.
func (b *bundle) do(method, target, body string, headers ...string) reply {
	b.t.Helper()
	var r *http.Request
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	} else {
		r = httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Del(headers[i])
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return b.serve(r)
}

func (b *bundle) serve(r *http.Request) reply {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	out := reply{w.Code, w.Header(), w.Body.String()}
	if out.header.Get("X-Request-Id") == "" {
		b.t.Errorf("%s %s: no X-Request-Id", r.Method, r.URL)
	}
	checkAnswer(b.t, r, out)
	return out
}

// want makes a request and demands its status.
func (b *bundle) want(status int, method, target, body string, headers ...string) reply {
	b.t.Helper()
	out := b.do(method, target, body, headers...)
	if out.status != status {
		b.t.Fatalf("%s %s %s\n%d %s\nwant %d", method, target, body, out.status, out.body, status)
	}
	return out
}

func decode[T any](t *testing.T, r reply) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return v
}

// published is the OpenAPI document, and a compiler of the schemas in it.
var published = sync.OnceValue(func() *document {
	a, err := api.New(api.Config{Now: time.Now})
	if err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	a.Handler(api.Status).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/openapi.json", nil))
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		panic(err)
	}
	d := &document{compiler: jsonschema.NewCompiler(), root: raw.(map[string]any)}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := d.compiler.AddResource("mem:openapi.json", raw); err != nil {
		panic(err)
	}
	return d
})

type document struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	root     map[string]any
}

func (d *document) schema(pointer ...string) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, p := range pointer {
		pointer[i] = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "%2B").Replace(p)
	}
	return d.compiler.Compile("mem:openapi.json#/" + strings.Join(pointer, "/"))
}

// checkAnswer holds an answer against what is published of its route.
func checkAnswer(t *testing.T, r *http.Request, out reply) {
	t.Helper()
	route := routeOf(r)
	if route == nil {
		return
	}
	op := published().root["paths"].(map[string]any)[route.Pattern].(map[string]any)[strings.ToLower(route.Method)].(map[string]any)
	declared, ok := op["responses"].(map[string]any)[strconv.Itoa(out.status)].(map[string]any)
	if !ok {
		t.Errorf("%s %s answers %d, which OpenAPI does not tell", r.Method, r.URL, out.status)
		return
	}
	content, has := declared["content"].(map[string]any)
	if !has || r.Method == http.MethodHead {
		return
	}
	mediaType := out.header.Get("Content-Type")
	if _, ok := content[mediaType]; !ok {
		t.Errorf("%s %s answers %d as %q, which OpenAPI does not tell", r.Method, r.URL, out.status, mediaType)
		return
	}
	s, err := published().schema("paths", route.Pattern, strings.ToLower(route.Method), "responses", strconv.Itoa(out.status), "content", mediaType, "schema")
	if err != nil {
		t.Fatalf("OpenAPI: %v", err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(out.body))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("%s %s answers\n%s\nwhich is not what OpenAPI tells: %v", r.Method, r.URL, out.body, err)
	}
}

func routeOf(r *http.Request) *api.Route {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	mux := http.NewServeMux()
	for _, route := range api.Routes() {
		if (route.Function == api.Webhook) == onWebhookAddress(r) {
			mux.Handle(route.Method+" "+route.Pattern, http.NotFoundHandler())
		}
	}
	_, pattern := mux.Handler(r)
	for _, route := range api.Routes() {
		if pattern == route.Method+" "+route.Pattern && route.Method == method {
			return &route
		}
	}
	return nil
}

// fakeEngine records what it is asked and answers what it is told.
type fakeEngine struct {
	mu      sync.Mutex
	calls   []any
	started runner.Started
	err     error
	panics  bool
	await   func(ctx context.Context) error
	end     *runner.Ended // what Await answers with
}

type call struct {
	what, tenant, id string
	with             any
}

func (e *fakeEngine) note(c any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, c)
	if e.panics {
		panic("in the engine")
	}
	return e.err
}

func (e *fakeEngine) Start(_ context.Context, s runner.StartRequest) (runner.Started, error) {
	if err := e.note(s); err != nil {
		return runner.Started{}, err
	}
	out := e.started
	if out.ID == "" {
		out = runner.Started{ID: someID, Workflow: s.Workflow, Version: 3, Created: noon, Deadline: noon.Add(time.Hour)}
	}
	return out, nil
}

func (e *fakeEngine) Cancel(_ context.Context, tenant, id string) error {
	return e.note(call{"cancel", tenant, id, nil})
}

func (e *fakeEngine) Pause(_ context.Context, tenant, id string) error {
	return e.note(call{"pause", tenant, id, nil})
}

func (e *fakeEngine) Resume(_ context.Context, tenant, id string, d runner.Decision) error {
	return e.note(call{"resume", tenant, id, d})
}

func (e *fakeEngine) Retry(_ context.Context, tenant, id string, r runner.RetryRequest) error {
	return e.note(call{"retry", tenant, id, r})
}

func (e *fakeEngine) Callback(_ context.Context, token string, body json.RawMessage) error {
	return e.note(call{"callback", "", token, string(body)})
}

func (e *fakeEngine) Await(ctx context.Context, _, _ string) (*runner.Ended, error) {
	if e.await == nil {
		return e.end, nil
	}
	return e.end, e.await(ctx)
}

// fakeReads shows one execution.
type fakeReads struct {
	mu      sync.Mutex
	x       *history.Execution
	err     error
	filters []history.Filter
	list    history.List
}

func (f *fakeReads) Get(_ context.Context, tenant, id string) (*history.Execution, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.err != nil:
		return nil, f.err
	case f.x == nil || f.x.ID != id || tenant != api.DefaultTenant:
		return nil, problem.New(problem.NotFound, "no execution has this id")
	}
	x := *f.x
	return &x, nil
}

func (f *fakeReads) Ended(_ context.Context, m *record.Meta, steps map[string]*record.Step) (*history.Execution, error) {
	x := ended(m.Status)
	x.ID = m.ID
	for id := range steps {
		x.Steps[0].ID = id
	}
	return x, nil
}

func (f *fakeReads) GetRun(ctx context.Context, tenant, id string, run int) (*history.Execution, error) {
	x, err := f.Get(ctx, tenant, id)
	switch {
	case err != nil:
		return nil, err
	case run > x.Run:
		return nil, problem.New(problem.NotFound, "the execution has no such run")
	}
	x.Run = run
	return x, nil
}

func (f *fakeReads) List(_ context.Context, _ string, filter history.Filter) (history.List, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filters = append(f.filters, filter)
	return f.list, f.err
}

// fakeEvents records the deliveries it gets and answers what it is told.
type fakeEvents struct {
	mu  sync.Mutex
	got []webhook.Delivery
	out webhook.Receipt
	err error
}

func (f *fakeEvents) Receive(_ context.Context, d webhook.Delivery) (webhook.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, d)
	return f.out, f.err
}

// countedTable counts the writes that reach the store.
type countedTable struct {
	table.Table
	writes atomic.Int64
}

func (c *countedTable) Write(ctx context.Context, w table.Write) (table.Attrs, error) {
	c.writes.Add(1)
	return c.Table.Write(ctx, w)
}

func (c *countedTable) Transact(ctx context.Context, token string, ws []table.Write) error {
	c.writes.Add(1)
	return c.Table.Transact(ctx, token, ws)
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
