package app

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/registry"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/secret"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/webhook"
)

// Ports are what the services stand on; all fields but Tasks, Secrets and Dead are
// required.
type Ports struct {
	Table table.Table
	Queue queue.Queue
	HTTP  step.Caller // makes the calls of steps
	// Tasks answers tasks of Step Functions; nil: starts that bring one are refused.
	Tasks runner.Tasks
	// Secrets finds what the signatures of sources are made with; nil: there
	// are none, and so no event is genuine.
	Secrets webhook.Secrets
	Now     func() time.Time
	// Incarnation names this process among the holders of leases.
	Incarnation string
	// Dead says whose leases are void; nil: nobody's.
	Dead func(owner string) bool
	// Trouble is what keeps the table from taking writes; nil: nothing that
	// would be known beforehand.
	Trouble func() error
}

// Config is what the services are told. Keys is required.
type Config struct {
	Keys      [][]byte // of callback tokens: the first signs, all verify
	PublicURL string   // base of callback addresses, without a trailing slash
	Times     runner.Times
	Routes    []api.Route  // that the API serves; nil: all, where api.Routes has them
	Log       *slog.Logger // nil: discards
}

// Services are the parts behind the handlers. They are safe for concurrent
// use.
type Services struct {
	Registry *registry.Registry
	History  *history.Reader
	Runner   *runner.Runner
	API      *api.API
}

// New makes the services.
func New(p Ports, c Config) (*Services, error) {
	s := &Services{}
	s.History = &history.Reader{Table: p.Table, Now: p.Now}
	var err error
	s.Registry, err = registry.New(registry.Config{Table: p.Table, Now: p.Now, Open: s.History.OpenExecutions})
	if err != nil {
		return nil, err
	}
	s.Runner, err = runner.New(runner.Config{
		Table: p.Table, Queue: p.Queue, Docs: s.Registry, HTTP: p.HTTP, Tasks: p.Tasks,
		Now: p.Now, Random: seeded(), Incarnation: p.Incarnation, Dead: p.Dead,
		Keys: c.Keys, PublicURL: c.PublicURL, Times: c.Times, Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	s.History.Docs, s.History.Records = s.Registry, s.Runner
	if p.Secrets == nil {
		p.Secrets = noSecrets{}
	}
	events, err := webhook.New(webhook.Config{Sources: s.Registry, Secrets: p.Secrets, Starter: s.Runner, Now: p.Now, Log: c.Log})
	if err != nil {
		return nil, err
	}
	s.API, err = api.New(api.Config{
		Engine: s.Runner, Reads: s.History, Registry: s.Registry, Sources: s.Registry, Events: events, Now: p.Now, Trouble: p.Trouble,
		Routes: c.Routes, Log: c.Log,
	})
	return s, err
}

type noSecrets struct{}

func (noSecrets) Resolve(_ context.Context, name string) (string, error) {
	return "", &secret.MissingError{Name: name, Place: "a store of secrets"}
}

// seeded is a source of randomness that nobody can guess: execution ids and
// nonces are made of it.
func seeded() rand.Source {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	return rand.NewChaCha8(seed)
}

// HTTP is the handler of a function that answers HTTP: execute, status, cancel,
// admin or webhook.
func (s *Services) HTTP(function string) http.Handler { return s.API.Handler(function) }

// Messages is the handler of a function that is fed from a queue: worker or
// deadletter.
func (s *Services) Messages(function string) (queue.Handler, error) {
	switch function {
	case "worker":
		return s.Runner.Handle, nil
	case "deadletter":
		return s.Runner.DeadLetter, nil
	}
	return nil, fmt.Errorf("functions/%s takes no messages", function)
}

// Scheduled is the handler of a function that is called regularly: sweeper.
func (s *Services) Scheduled(function string) (func(context.Context) error, error) {
	if function == "sweeper" {
		return s.Runner.Sweep, nil
	}
	return nil, fmt.Errorf("functions/%s is not called by a schedule", function)
}
