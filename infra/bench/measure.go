package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// plan is how much is measured.
type plan struct {
	Clients int
	Rounds  int           // in which engine, bare loop and calls take turns
	Idle    int           // executions of one client alone, in each round
	Load    time.Duration // of many clients, in each round
	Raw     time.Duration // of fsync alone
	Acks    time.Duration // of events, at each pace
}

var (
	full  = plan{Clients: 50, Rounds: 10, Idle: 20, Load: 1500 * time.Millisecond, Raw: 2 * time.Second, Acks: 10 * time.Second}
	quick = plan{Clients: 50, Rounds: 1, Idle: 20, Load: time.Second, Raw: 300 * time.Millisecond, Acks: time.Second}
)

// figures are one side's. Times are in milliseconds.
type figures struct {
	P50       float64 `json:"idleP50Ms"`
	P99       float64 `json:"idleP99Ms"`
	PerSecond float64 `json:"perSecond"`
	CPU       float64 `json:"cpuMs"`       // of the process, each, under load
	Syncs     float64 `json:"fsyncs"`      // each, under load
	SyncsIdle float64 `json:"fsyncsIdle"`  // each, with one client
	Bytes     float64 `json:"bytesOnDisk"` // each
}

// result is one workload's.
type result struct {
	Workload   string   `json:"workload"`
	Dense      bool     `json:"dense"`
	Engine     figures  `json:"engine"`
	Bare       figures  `json:"bareLoop"`
	Calls      *figures `json:"callsAlone,omitempty"`
	Throughput float64  `json:"throughputRatio"` // engine / bare loop
	Latency    float64  `json:"idleRatio"`
	WriteUnits float64  `json:"writeUnits"`
	ReadUnits  float64  `json:"readUnits"`
}

// bench measures workloads in turn.
type bench struct {
	plan     plan
	dir      string // of the data, removed by the caller
	template string
	profile  string
	service  string
	progress io.Writer
}

// one measures one workload, in fresh folders and processes.
func (b *bench) one(ctx context.Context, index int) (r result, err error) {
	w := workloads()[index]
	fmt.Fprintf(b.progress, "%s: %s …\n", w.title(), w.About)
	role := role{Template: b.template, Service: b.service, Workload: index, Profile: b.profile}
	role.Kind, role.Dir = "engine", filepath.Join(b.dir, fmt.Sprintf("engine%d", index))
	engine, err := spawn(ctx, role)
	if err != nil {
		return r, err
	}
	users := newClient(engine.Address, w.Name, b.plan.Clients)
	defer users.close()
	engineSide := side{child: engine, dir: role.Dir, work: users.execute}
	role.Kind, role.Dir = "bare", filepath.Join(b.dir, fmt.Sprintf("bare%d", index))
	loop, err := spawn(ctx, role)
	if err != nil {
		return r, errors.Join(err, engine.end())
	}
	bareSide, calls := side{child: loop, dir: role.Dir, do: "loop"}, side{child: loop, do: "calls"}
	sides := []*side{&engineSide, &bareSide}
	if w.calls() > 0 {
		sides = append(sides, &calls)
	}
	err = users.register(ctx, w.document(b.service))
	if err == nil {
		err = b.rounds(ctx, sides)
	}
	if err = errors.Join(err, engine.end(), loop.end()); err != nil {
		return r, err
	}
	return conclude(w, &engineSide, &bareSide, &calls, users.units)
}

// conclude makes the figures.
func conclude(w workload, engine, loop, calls *side, u units) (r result, err error) {
	r = result{Workload: w.Name, Dense: w.Dense, WriteUnits: u.Write / float64(u.Executions), ReadUnits: u.Read / float64(u.Executions)}
	if r.Engine, err = engine.figures(); err != nil {
		return r, err
	}
	if r.Bare, err = loop.figures(); err != nil {
		return r, err
	}
	if w.calls() > 0 {
		f, err := calls.figures()
		if err != nil {
			return r, err
		}
		r.Calls = &f
	}
	r.Throughput, r.Latency = r.Engine.PerSecond/r.Bare.PerSecond, r.Engine.P50/r.Bare.P50
	return r, nil
}

// rounds lets the sides take turns.
func (b *bench) rounds(ctx context.Context, sides []*side) error {
	for _, s := range sides { // caches, connections, code that runs for the first time
		if _, err := s.idle(ctx, b.plan.Idle); err != nil {
			return err
		}
	}
	for range b.plan.Rounds {
		for _, s := range sides {
			if err := s.round(ctx, b.plan); err != nil {
				return err
			}
		}
	}
	return nil
}
