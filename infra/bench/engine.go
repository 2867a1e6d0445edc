package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/app/local"
	"github.com/seed-926d1ba8/stepline/internal/telemetry"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// engine is the one-machine program, put together as infra/local does, with
// its counters at hand.
type engine struct {
	machine *local.Machine
	servers []*http.Server
	events  string // address of the webhooks
	stop    context.CancelFunc
	worked  chan error
	profile *profile // nil: none
}

func beginEngine(ctx context.Context, r role) (*engine, string, error) {
	w, err := wiring.Read(r.Template)
	if err != nil {
		return nil, "", err
	}
	l, base, err := listen(ctx)
	if err != nil {
		return nil, "", err
	}
	hooks, events, err := listen(ctx)
	if err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	c := local.Config{Data: r.Dir, PublicURL: events, NoDemo: true}.WithDefaults()
	e := &engine{worked: make(chan error, 1), events: events}
	if e.machine, err = local.Open(c, w, time.Now, secrets, telemetry.NewLogger(os.Stderr, slog.LevelWarn)); err != nil {
		return nil, "", err
	}
	if r.Profile != "" {
		if e.profile, err = startProfile(r.Profile, workloads()[r.Workload].title()); err != nil {
			return nil, "", errors.Join(err, e.machine.Close())
		}
	}
	e.serve(l, api.LocalOnly(e.machine.API(), nil))
	e.serve(hooks, e.machine.Webhooks())
	ctx, e.stop = context.WithCancel(ctx)
	go func() { e.worked <- e.machine.Work(ctx) }()
	return e, base, nil
}

func (e *engine) serve(l net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	e.servers = append(e.servers, s)
	go func() { _ = s.Serve(l) }() // ends with close
}

// secrets is the environment, and the secret of the source of events.
func secrets(name string) string {
	if name == "STEPLINE_SECRET_BENCH" {
		return eventSecret
	}
	return os.Getenv(name)
}

func (e *engine) obey(_ context.Context, o order) (reply, error) {
	switch o.Do {
	case webhook:
		return reply{Address: e.events}, nil
	case "usage":
	default:
		return reply{}, errors.New("the engine does not know " + o.Do)
	}
	s := e.machine.File.Stats()
	return reply{Usage: usage{CPU: cpu(), Syncs: s.Commits, Writes: s.Operations}}, nil
}

func (e *engine) close() error {
	var err error
	for _, s := range e.servers {
		err = errors.Join(err, s.Close())
	}
	e.stop()
	err = errors.Join(err, <-e.worked, e.machine.Close())
	if e.profile != nil {
		err = errors.Join(err, e.profile.end())
	}
	return err
}
