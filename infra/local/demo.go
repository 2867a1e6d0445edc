package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/local/sample"
	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/app/local"
	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// patience is how long the sample execution is waited for.
const patience = time.Minute

// demo is the sample shop, for as long as the program runs.
type demo struct {
	shop server
	stop context.CancelFunc
}

func (d *demo) close() {
	d.stop()
	_ = d.shop.http.Close()
}

// startDemo registers the sample workflows, opens the shop and starts one
// execution, whose steps are shown when it has ended. The shop has another
// address at each start, so that the address is part of the input: the
// documents stay as they are, and get no new version.
func startDemo(ctx context.Context, m *local.Machine, out io.Writer) (*demo, error) {
	names, err := register(ctx, m)
	if err != nil {
		return nil, err
	}
	l, err := open(ctx, "sample shop", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var shop sample.Shop
	d := &demo{shop: newServer(l, shop.Handler(), m.Log())}
	go func() { _ = d.shop.http.Serve(l) }() // ends with close, and nothing depends on it
	ctx, d.stop = context.WithCancel(ctx)
	started, err := m.Runner.Start(ctx, runner.StartRequest{
		Tenant: api.DefaultTenant, Workflow: sample.Demo, Input: sample.Input(d.shop.base()),
	})
	if err != nil {
		d.close()
		return nil, fmt.Errorf("sample execution: %w", err)
	}
	fmt.Fprintf(out, "Sample workflows %v are registered; %s runs: %s\n", names, started.ID, story)
	go d.show(ctx, m, started.ID, out)
	return d, nil
}

const story = "stock and payment side by side, the payment refused twice, a gift for a large order, a wait."

func register(ctx context.Context, m *local.Machine) ([]string, error) {
	documents, err := sample.Documents()
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(documents))
	for _, name := range names {
		doc, err := workflow.Parse(documents[name])
		if err != nil {
			return nil, fmt.Errorf("sample workflow %s: %w", name, err)
		}
		if _, _, err := m.Registry.Put(ctx, api.DefaultTenant, name, doc); err != nil {
			return nil, fmt.Errorf("sample workflow %s: %w", name, err)
		}
	}
	return names, nil
}

// show waits for the sample execution and prints it. The program's end ends the
// waiting; the execution then goes on at the next start.
func (d *demo) show(ctx context.Context, m *local.Machine, id string, out io.Writer) {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := m.Runner.Await(wait, api.DefaultTenant, id)
	if ctx.Err() != nil {
		return
	}
	var ex *history.Execution
	if err == nil {
		ex, err = m.History.Get(ctx, api.DefaultTenant, id)
	}
	if err != nil {
		fmt.Fprintf(out, "The sample execution did not end in %s; GET /v1/executions/%s shows it.\n", patience, id)
		return
	}
	fmt.Fprint(out, render(ex))
}
