package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// span is what some clients did in some time.
type span struct {
	Done int
	Took time.Duration
	Each []time.Duration // how long each of them took; only when counted
}

func (s *span) add(o span) {
	s.Done += o.Done
	s.Took += o.Took
	s.Each = append(s.Each, o.Each...)
}

// counted does work n times, one after the other.
func counted(ctx context.Context, n int, work func(context.Context) error) (span, error) {
	s := span{Each: make([]time.Duration, 0, n)}
	for range n {
		began := time.Now()
		if err := work(ctx); err != nil {
			return s, err
		}
		took := time.Since(began)
		s.Done, s.Took, s.Each = s.Done+1, s.Took+took, append(s.Each, took)
	}
	return s, nil
}

// timed has clients repeat work until the time is over. What is under way then
// is finished and counts, and so does its time.
func timed(ctx context.Context, clients int, d time.Duration, work func(context.Context) error) (span, error) {
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	began := time.Now()
	for range clients {
		all.Go(func() {
			for time.Since(began) < d && failed.Load() == nil {
				if err := work(ctx); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	s := span{Done: int(done.Load()), Took: time.Since(began)}
	if err := failed.Load(); err != nil {
		return s, *err
	}
	return s, nil
}
