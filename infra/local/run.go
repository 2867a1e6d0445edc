package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/app/local"
	"github.com/seed-926d1ba8/stepline/internal/telemetry"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// run is the program: it returns the exit status once ctx has ended and what
// was in hand is finished, or at once when it cannot start.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	c, err := local.FromFlags(args, getenv, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		log := telemetry.NewLogger(stderr, c.LogLevel)
		telemetry.TakeOver(log)
		err = serve(ctx, c, getenv, stdout, log)
	}
	if err != nil {
		fmt.Fprintf(stderr, "stepline: %v\n", err)
		return 1
	}
	return 0
}

// serve takes the addresses before it opens the data folder: a second start by
// mistake then touches nothing.
func serve(ctx context.Context, c local.Config, getenv func(string) string, stdout io.Writer, log *slog.Logger) (err error) {
	w, err := wiring.Read(c.Template)
	if err != nil {
		return err
	}
	doors, err := listen(ctx, c)
	if err != nil {
		return err
	}
	defer doors.close()
	if c.PublicURL == "" {
		c.PublicURL = base(doors.webhooks)
	}
	m, err := local.Open(c, w, time.Now, getenv, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	return live(ctx, c, m, []server{
		newServer(doors.api, guarded(m.API(), c, doors.api.Addr()), log),
		newServer(doors.webhooks, m.Webhooks(), log),
	}, stdout)
}

// live runs the workers, the servers and the demo until ctx ends or one of the
// first two fails.
func live(ctx context.Context, c local.Config, m *local.Machine, servers []server, stdout io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ends := make(chan error, 1+len(servers))
	go func() { ends <- m.Work(ctx) }()
	for _, s := range servers {
		go func() { ends <- s.serve(ctx, c.Drain) }()
	}
	greet(stdout, c, servers)
	if !c.NoDemo {
		d, err := startDemo(ctx, m, stdout)
		if err != nil {
			stop()
			ends <- err
		} else {
			defer d.close()
		}
	}
	var errs []error
	for range 1 + len(servers) {
		errs = append(errs, <-ends)
		stop()
	}
	return errors.Join(errs...)
}

func greet(out io.Writer, c local.Config, servers []server) {
	fmt.Fprintf(out, "Stepline is up. Ctrl-C ends it; executions go on at the next start.\n\n"+
		"  API        %s/v1\n  webhooks   %s\n  data       %s\n\n", servers[0].base(), servers[1].base(), c.Data)
}
