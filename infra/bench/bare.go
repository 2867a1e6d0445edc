package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
	tablesqlite "github.com/seed-926d1ba8/stepline/internal/table/sqlite"
)

// bare is the bare loop: a workload's calls and commits and nothing else.
type bare struct {
	workload workload
	file     *sqlitefile.File
	table    *tablesqlite.Table
	caller   *step.HTTP
	request  map[string]any
	items    atomic.Int64
}

// logSpace is the log's, as the one-machine program gives it.
const logSpace = 16 << 20

// small stands for what is committed besides answers: a status, a message.
var small = make([]byte, 200)

func beginBare(r role) (*bare, error) {
	f, err := sqlitefile.Open(r.Dir, sqlitefile.Options{Preallocate: logSpace})
	if err != nil {
		return nil, err
	}
	b := &bare{workload: workloads()[r.Workload], file: f, caller: step.NewHTTP(step.HTTPConfig{Now: time.Now})}
	b.request = map[string]any{"method": "POST", "url": r.Service, "body": body(b.workload.Dense)}
	if b.table, err = tablesqlite.New(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return b, nil
}

func (b *bare) obey(ctx context.Context, o order) (r reply, err error) {
	work := b.loop
	switch o.Do {
	case "usage":
		s := b.file.Stats()
		return reply{Usage: usage{CPU: cpu(), Syncs: s.Commits, Writes: s.Operations}}, nil
	case "calls":
		work = func(ctx context.Context) error {
			return b.stages(ctx, func(context.Context, []byte) error { return nil })
		}
	case "loop":
	default:
		return r, errors.New("the bare loop does not know " + o.Do)
	}
	if o.Count > 0 {
		r.Span, err = counted(ctx, o.Count, work)
	} else {
		r.Span, err = timed(ctx, o.Clients, o.Span, work)
	}
	return r, err
}

// loop is one execution's worth.
func (b *bare) loop(ctx context.Context) error {
	for range opening {
		if err := b.commit(ctx, small); err != nil {
			return err
		}
	}
	return b.stages(ctx, b.commit)
}

func (b *bare) stages(ctx context.Context, commit func(context.Context, []byte) error) error {
	for i, n := range b.workload.Stages {
		if err := b.stage(ctx, n, commit); err != nil {
			return err
		}
		if b.workload.Dense && i == len(b.workload.Stages)-1 {
			return commit(ctx, small)
		}
	}
	return nil
}

// stage makes the calls of one stage side by side, each with its commit.
func (b *bare) stage(ctx context.Context, calls int, commit func(context.Context, []byte) error) error {
	if calls == 0 {
		return commit(ctx, small)
	}
	errs := make([]error, calls)
	var all sync.WaitGroup
	for i := range errs[1:] {
		all.Go(func() { errs[i+1] = b.one(ctx, commit) })
	}
	errs[0] = b.one(ctx, commit)
	all.Wait()
	return errors.Join(errs...)
}

func (b *bare) one(ctx context.Context, commit func(context.Context, []byte) error) error {
	answer, err := b.call(ctx)
	if err != nil {
		return err
	}
	return commit(ctx, answer)
}

func (b *bare) call(ctx context.Context) (json.RawMessage, error) {
	res := b.caller.Call(ctx, step.Call{Request: b.request, Key: "bare", Attempt: 1})
	if res.Err != nil {
		return nil, res.Err
	}
	return res.Output, nil
}

// commit stores an item of its own, as it came.
func (b *bare) commit(ctx context.Context, value []byte) error {
	_, err := b.table.Write(ctx, table.Write{
		Key: table.Key{PK: "bare", SK: strconv.FormatInt(b.items.Add(1), 10)}, Kind: table.Put,
		Set: table.Attrs{"b": table.Bytes(value)}, If: table.IfAbsent(),
	})
	return err
}

func (b *bare) close() error {
	b.caller.Close()
	return b.file.Close()
}
