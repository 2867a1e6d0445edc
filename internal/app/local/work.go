package local

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	queuesqlite "github.com/seed-926d1ba8/stepline/internal/queue/sqlite"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// handOver is how long releasing every lease may take once the drain is over.
const handOver = 5 * time.Second

// Work sweeps what an earlier process left, feeds the lanes and keeps the
// schedules until ctx ends and what is in hand is finished or handed over.
func (m *Machine) Work(ctx context.Context) error {
	var pumps, others errgroup.Group
	slots := m.Queue.Slots(m.config.Workers)
	for name, l := range m.wiring.Lanes {
		handler, err := m.Messages(l.Consumer)
		if err != nil {
			return err
		}
		pumps.Go(func() error { return m.pump(name, l, slots).Run(ctx, handler) })
	}
	others.Go(func() error { return m.call(ctx, "first sweep", m.Runner.SweepAll) })
	for _, s := range m.wiring.Schedules {
		handler, err := m.Scheduled(s.Function)
		if err != nil {
			return err
		}
		others.Go(func() error { return m.schedule(ctx, s, handler) })
	}
	<-ctx.Done()
	late := time.AfterFunc(m.config.Drain, m.Runner.Drain)
	defer late.Stop()
	return errors.Join(pumps.Wait(), others.Wait())
}

// pump feeds a lane. The slots are those of all executions at work, whatever
// lane they come from.
func (m *Machine) pump(name queue.Lane, l wiring.Lane, slots *queuesqlite.Slots) *queuesqlite.Pump {
	if name == queue.Dead { // never waits for executions: it takes a moment, and mends
		slots = nil
	}
	most := m.config.Workers
	if l.Concurrency > 0 {
		most = min(most, l.Concurrency*l.Batch)
	}
	return m.Queue.Pump(name, queuesqlite.PumpConfig{
		Batch: l.Batch, Window: l.Window, Timeout: l.Timeout,
		Concurrency: most, Slots: slots, Drain: m.config.Drain + handOver,
		OnPanic: func(value any, stack []byte) {
			m.log.Error("panic in a handler", slog.String("lane", string(name)), slog.Any("panic", value), slog.String("stack", string(stack)))
		},
	})
}

// schedule calls a handler regularly.
func (m *Machine) schedule(ctx context.Context, s wiring.Schedule, h func(context.Context) error) error {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			_ = m.call(ctx, s.Function, h)
		}
	}
}

// call logs a failure instead of passing it on: the next call makes good for
// it, and one record that cannot be read must not stop the program.
func (m *Machine) call(ctx context.Context, what string, h func(context.Context) error) error {
	if err := h(ctx); err != nil && ctx.Err() == nil {
		m.log.Warn("a scheduled call failed", slog.String("call", what), slog.Any("error", oneLine(err)))
	}
	return nil
}
