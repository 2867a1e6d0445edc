package local

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/app"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	queuesqlite "github.com/seed-926d1ba8/stepline/internal/queue/sqlite"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/secret"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/step"
	tablesqlite "github.com/seed-926d1ba8/stepline/internal/table/sqlite"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// logSpace is what the write-ahead log is given at once: growing it on every
// commit would make each fsync two to three times slower.
const logSpace = 16 << 20

// headroom is allocated and never touched, so that it takes addresses and no
// memory. The collector counts it as in use, and so lets that much garbage
// gather before it runs: with the few megabytes that are really in use it would
// run ten times a second, for a fifth of the CPU.
const headroom = 64 << 20

// Machine is an open data folder with the services on it. Close it.
type Machine struct {
	*app.Services
	File  *sqlitefile.File
	Table *tablesqlite.Table
	Queue *queuesqlite.Queue

	config Config
	wiring *wiring.Wiring
	routes []api.Route
	caller *step.HTTP
	log    *slog.Logger

	headroom []byte
}

// Open opens the data folder of c and makes the services that w asks for.
// c.PublicURL must be set. getenv finds secrets, as the env file in the folder
// does. Errors are one line each; what is in the folder is left as it was.
func Open(c Config, w *wiring.Wiring, now func() time.Time, getenv func(string) string, log *slog.Logger) (*Machine, error) {
	m := &Machine{config: c, wiring: w, log: log, headroom: make([]byte, headroom)}
	times, err := m.times()
	if err != nil {
		return nil, err
	}
	if m.routes, err = mounted(w.Routes); err != nil {
		return nil, err
	}
	if m.File, err = sqlitefile.Open(c.Data, sqlitefile.Options{Now: now, Preallocate: logSpace, OnLost: m.lost}); err != nil {
		return nil, err
	}
	if err := m.open(now, getenv, app.Config{PublicURL: c.PublicURL, Times: times, Routes: m.routes, Log: log}); err != nil {
		_ = m.Close()
		return nil, oneLine(err)
	}
	return m, nil
}

func (m *Machine) open(now func() time.Time, getenv func(string) string, c app.Config) (err error) {
	if m.Table, err = tablesqlite.New(m.File); err != nil {
		return fmt.Errorf("data folder %s: %w", m.config.Data, err)
	}
	if m.Queue, err = queuesqlite.New(m.File, m.lanes(), now); err != nil {
		return fmt.Errorf("data folder %s: %w", m.config.Data, err)
	}
	if c.Keys, err = callbackKeys(m.config.Data); err != nil {
		return err
	}
	secrets, err := m.secrets(now, getenv, c.Log)
	if err != nil {
		return err
	}
	var machines *step.StateMachines // without a region, steps that need them fail, and tasks are refused
	var tasks runner.Tasks
	if region := getenv("AWS_REGION"); region != "" {
		if machines, err = step.InRegion(context.Background(), region, now, c.Log); err != nil {
			return err
		}
		tasks = machines.Tasks()
	}
	m.caller = step.NewHTTP(step.HTTPConfig{Now: now, Secrets: secrets})
	m.Services, err = app.New(app.Ports{
		Table: m.Table, Queue: m.Queue, HTTP: step.Router{HTTP: m.caller, StateMachines: machines}, Tasks: tasks, Secrets: secrets, Now: now,
		Incarnation: m.File.Incarnation(), Dead: m.File.Dead, Trouble: m.File.Reachable,
	}, c)
	return err
}

func (m *Machine) lost(err error) {
	m.log.Error("the data folder was deleted, moved or replaced while the program runs: nothing is started or written until it is back; "+
		"without it, stop the program, restore the folder or choose another, and start again", slog.Any("error", err))
}

// SecretsFile is the env file of the secrets in the data folder.
const SecretsFile = "secrets.env"

func (m *Machine) secrets(now func() time.Time, getenv func(string) string, log *slog.Logger) (*secret.Resolver, error) {
	store, err := secret.NewEnv(getenv, filepath.Join(m.config.Data, SecretsFile))
	if err != nil {
		return nil, err
	}
	return secret.NewResolver(store, now, log)
}

func (m *Machine) lanes() map[queue.Lane]queuesqlite.Config {
	lanes := map[queue.Lane]queuesqlite.Config{}
	for name, l := range m.wiring.Lanes {
		lanes[name] = queuesqlite.Config{
			Visibility: l.Visibility, Retention: l.Retention,
			MaxReceives: l.MaxReceives, DeadLetter: l.DeadLetter,
		}
	}
	return lanes
}

// times are the protocol's, as the template gives them to the worker.
func (m *Machine) times() (runner.Times, error) {
	worker, _ := m.wiring.Function("worker") // Parse has made sure of it
	return app.Times(func(name string) string { return worker.Env[name] })
}

// Log is where the machine logs.
func (m *Machine) Log() *slog.Logger { return m.log }

// Close closes the data folder. Run must have returned.
func (m *Machine) Close() error {
	if m.caller != nil {
		m.caller.Close()
	}
	return m.File.Close()
}

// oneLine keeps an error's identity and makes its text one line.
func oneLine(err error) error {
	if strings.Contains(err.Error(), "\n") {
		return lineError{err}
	}
	return err
}

type lineError struct{ error }

func (e lineError) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }
func (e lineError) Unwrap() error { return e.error }
