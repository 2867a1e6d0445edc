package main

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// side is the engine, the bare loop, or the calls alone.
type side struct {
	child *child
	dir   string                      // its data; "": none
	work  func(context.Context) error // done by this process; nil: the child does it
	do    string                      // what the child does

	total       int // done since the start
	quiet, busy part
}

// part is one kind of use: by one client alone, or by many.
type part struct {
	span
	used usage
}

// round is one turn: first one client alone, then many.
func (s *side) round(ctx context.Context, p plan) error {
	if err := s.metered(&s.quiet, func() (span, error) { return s.idle(ctx, p.Idle) }); err != nil {
		return err
	}
	return s.metered(&s.busy, func() (span, error) { return s.load(ctx, p) })
}

func (s *side) metered(p *part, do func() (span, error)) error {
	before, err := s.child.ask(order{Do: "usage"})
	if err != nil {
		return err
	}
	done, err := do()
	if err != nil {
		return err
	}
	after, err := s.child.ask(order{Do: "usage"})
	p.add(done)
	p.used.add(after.Usage, before.Usage)
	return err
}

func (s *side) idle(ctx context.Context, n int) (done span, err error) {
	defer func() { s.total += done.Done }()
	if s.work != nil {
		return counted(ctx, n, s.work)
	}
	r, err := s.child.ask(order{Do: s.do, Count: n})
	return r.Span, err
}

func (s *side) load(ctx context.Context, p plan) (done span, err error) {
	defer func() { s.total += done.Done }()
	if s.work != nil {
		return timed(ctx, p.Clients, p.Load, s.work)
	}
	r, err := s.child.ask(order{Do: s.do, Clients: p.Clients, Span: p.Load})
	return r.Span, err
}

// figures are the side's, once its child has ended and its data are complete.
func (s *side) figures() (figures, error) {
	slices.Sort(s.quiet.Each)
	done := float64(s.busy.Done)
	f := figures{
		P50: ms(quantile(s.quiet.Each, 0.5)), P99: ms(quantile(s.quiet.Each, 0.99)),
		PerSecond: done / s.busy.Took.Seconds(),
		CPU:       ms(s.busy.used.CPU) / done,
		Syncs:     float64(s.busy.used.Syncs) / done,
		SyncsIdle: float64(s.quiet.used.Syncs) / float64(s.quiet.Done),
	}
	if s.dir == "" {
		return f, nil
	}
	bytes, err := size(s.dir)
	f.Bytes = float64(bytes) / float64(s.total)
	return f, err
}

// quantile is the smallest of the sorted values that q of them do not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// size is what the files of a folder hold, in bytes.
func size(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}
