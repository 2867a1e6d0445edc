package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/registry"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/webhook"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Engine starts executions and changes their course. Errors that concern the
// caller are *problem.Error.
type Engine interface {
	Start(ctx context.Context, s runner.StartRequest) (runner.Started, error)
	Cancel(ctx context.Context, tenant, id string) error
	Pause(ctx context.Context, tenant, id string) error
	Resume(ctx context.Context, tenant, id string, d runner.Decision) error
	Retry(ctx context.Context, tenant, id string, r runner.RetryRequest) error
	Callback(ctx context.Context, token string, body json.RawMessage) error
	// Await returns once the execution has ended, with its end where that is
	// known without reading, or with an error.
	Await(ctx context.Context, tenant, id string) (*runner.Ended, error)
}

// Reads shows executions.
type Reads interface {
	Get(ctx context.Context, tenant, id string) (*history.Execution, error)
	Ended(ctx context.Context, m *record.Meta, steps map[string]*record.Step) (*history.Execution, error)
	GetRun(ctx context.Context, tenant, id string, run int) (*history.Execution, error)
	List(ctx context.Context, tenant string, f history.Filter) (history.List, error)
}

// Registry keeps workflows.
type Registry interface {
	Put(ctx context.Context, tenant, name string, doc *workflow.Document) (version int, created bool, err error)
	Get(ctx context.Context, tenant, name string) (registry.Workflow, error)
	List(ctx context.Context, tenant, after string, limit int) (found []registry.Workflow, more bool, err error)
	Version(ctx context.Context, tenant, name string, version int) (registry.Version, error)
	Versions(ctx context.Context, tenant, name string) ([]registry.Version, error)
	SetLive(ctx context.Context, tenant, name string, version int) (registry.Workflow, error)
	Delete(ctx context.Context, tenant, name string) error
}

// Sources keeps the sources of webhooks.
type Sources interface {
	PutSource(ctx context.Context, tenant, name string, src *workflow.Source) (created bool, err error)
	Source(ctx context.Context, tenant, name string) (registry.Source, error)
	Sources(ctx context.Context, tenant, after string, limit int) (found []registry.Source, more bool, err error)
	DeleteSource(ctx context.Context, tenant, name string) error
}

// Events takes the deliveries of sources.
type Events interface {
	Receive(ctx context.Context, d webhook.Delivery) (webhook.Receipt, error)
}

var (
	_ Sources  = (*registry.Registry)(nil)
	_ Events   = (*webhook.Receiver)(nil)
	_ Registry = (*registry.Registry)(nil)
	_ Reads    = (*history.Reader)(nil)
	_ Engine   = (*runner.Runner)(nil)
)

// Config is what an API needs. Engine, Reads, Registry, Sources and Events may
// be nil where the function served has no route that uses them.
type Config struct {
	Engine   Engine
	Reads    Reads
	Registry Registry
	Sources  Sources
	Events   Events
	Now      func() time.Time
	// Trouble is what keeps the store from taking writes; nil: nothing that
	// would be known beforehand.
	Trouble func() error
	// Routes are the calls that are served, from Mounted; nil: all, where
	// Routes has them.
	Routes []Route
	// RequestID names a request whose caller did not; nil: a random text.
	RequestID func() string
	Log       *slog.Logger // nil: discards
}

// API serves the calls of the route table. It is safe for concurrent use.
type API struct {
	engine    Engine
	reads     Reads
	registry  Registry
	sources   Sources
	events    Events
	now       func() time.Time
	trouble   func() error
	requestID func() string
	log       *slog.Logger
	routes    []Route
	links     links
	openAPI   func() ([]byte, error) // made when it is first asked for
}

// New makes an API.
func New(c Config) (*API, error) {
	if c.Now == nil {
		return nil, errors.New("api: Now must be set")
	}
	a := &API{
		engine: c.Engine, reads: c.Reads, registry: c.Registry, sources: c.Sources, events: c.Events, now: c.Now, trouble: c.Trouble,
		requestID: c.RequestID, log: c.Log, routes: c.Routes,
	}
	if a.routes == nil {
		a.routes = Routes()
	}
	a.links = linksOf(a.routes)
	a.openAPI = sync.OnceValues(func() ([]byte, error) { return openAPI(a.routes) })
	if a.requestID == nil {
		a.requestID = rand.Text
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	return a, nil
}

// DefaultTenant is the tenant of whoever names none.
const DefaultTenant = "default"

// tenantOf is whose data the request is about.
func tenantOf(*http.Request) string { return DefaultTenant }
