package main

import (
	"context"
	"errors"
	"log/slog"
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
	server  *http.Server
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
	c := local.Config{Data: r.Dir, PublicURL: base, NoDemo: true}.WithDefaults()
	e := &engine{worked: make(chan error, 1)}
	if e.machine, err = local.Open(c, w, time.Now, os.Getenv, telemetry.NewLogger(os.Stderr, slog.LevelWarn)); err != nil {
		return nil, "", err
	}
	if r.Profile != "" {
		if e.profile, err = startProfile(r.Profile, workloads()[r.Workload].title()); err != nil {
			return nil, "", errors.Join(err, e.machine.Close())
		}
	}
	e.server = &http.Server{Handler: api.LocalOnly(e.machine.API(), nil), ReadHeaderTimeout: time.Minute}
	go func() { _ = e.server.Serve(l) }() // ends with close
	ctx, e.stop = context.WithCancel(ctx)
	go func() { e.worked <- e.machine.Work(ctx) }()
	return e, base, nil
}

func (e *engine) obey(_ context.Context, o order) (reply, error) {
	if o.Do != "usage" {
		return reply{}, errors.New("the engine does not know " + o.Do)
	}
	s := e.machine.File.Stats()
	return reply{Usage: usage{CPU: cpu(), Syncs: s.Commits, Writes: s.Operations}}, nil
}

func (e *engine) close() error {
	err := e.server.Close()
	e.stop()
	err = errors.Join(err, <-e.worked, e.machine.Close())
	if e.profile != nil {
		err = errors.Join(err, e.profile.end())
	}
	return err
}
