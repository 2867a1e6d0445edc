package runner

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Runner advances executions. It is safe for concurrent use.
type Runner struct {
	cfg   Config
	times Times
	log   *slog.Logger

	mu  sync.Mutex // guards rnd
	rnd *rand.Rand

	nonces     atomic.Uint64
	live       live
	quarantine quarantine
	ends       ends
	drain      chan struct{}
	once       sync.Once
}

// New checks the configuration and makes a Runner.
func New(cfg Config) (*Runner, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Runner{cfg: cfg, times: cfg.Times.WithDefaults(), log: cfg.Log, rnd: rand.New(cfg.Random), drain: make(chan struct{})}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.cfg.Dead == nil {
		r.cfg.Dead = func(string) bool { return false }
	}
	r.live.runs = map[string]*run{}
	r.ends.waiting = map[string][]chan *Ended{}
	return r, nil
}

// Drain asks every execution in hand to be handed over: calls are cut short,
// leases released, so that another worker goes on at once. It does not wait.
func (r *Runner) Drain() { r.once.Do(func() { close(r.drain) }) }

func (r *Runner) draining() bool {
	select {
	case <-r.drain:
		return true
	default:
		return false
	}
}

// now is the injected clock in Unix milliseconds, as records have it.
func (r *Runner) now() int64 { return r.cfg.Now().UnixMilli() }

// soloMark ends the owner of a lease that is held on the solo lane.
const soloMark = ".s"

// nonce names one write: the incarnation and a number of its own, by which a
// write that was applied although its reply was lost is known again.
func (r *Runner) nonce(solo bool) string {
	n := r.cfg.Incarnation + "." + strconv.FormatUint(r.nonces.Add(1), 36)
	if solo {
		n += soloMark
	}
	return n
}

// random runs f with the random source, which is not safe by itself.
func (r *Runner) random(f func(*rand.Rand)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.rnd)
}

func (r *Runner) newID(at time.Time) string {
	var e [10]byte
	r.random(func(rnd *rand.Rand) {
		a, b := rnd.Uint64(), rnd.Uint32()
		for i := range e {
			if i < 8 {
				e[i] = byte(a >> (8 * i))
			} else {
				e[i] = byte(b >> (8 * (i - 8)))
			}
		}
	})
	return record.NewID(at, e)
}

// Attempts at one write before the caller hears of the trouble.
const (
	writeTries   = 6
	firstBackoff = 10 * time.Millisecond
)

// write makes one conditional write and makes it again while the store is busy
// or its reply was lost. owner is the nonce in the write, "" for none: a
// condition that fails because this very write was applied before is success.
// An answer of table.ErrUnknown means that the write may have been applied.
func (r *Runner) write(ctx context.Context, w table.Write, owner string) (table.Attrs, error) {
	unknown := false
	for try := 0; ; try++ {
		image, err := r.cfg.Table.Write(ctx, w)
		if err == nil {
			return image, nil
		}
		if old, failed := table.Failed(err); failed {
			if owner != "" && old[record.AtOwner].Str() == owner {
				return old, nil
			}
			return nil, err
		}
		unknown = unknown || errors.Is(err, table.ErrUnknown)
		passing := errors.Is(err, table.ErrBusy) || errors.Is(err, table.ErrUnknown)
		if !passing || try+1 == writeTries || r.pause(ctx, firstBackoff<<try) != nil {
			if unknown {
				return nil, errors.Join(table.ErrUnknown, err)
			}
			return nil, err
		}
	}
}

// pause sleeps, with jitter, unless ctx ends first.
func (r *Runner) pause(ctx context.Context, d time.Duration) error {
	r.random(func(rnd *rand.Rand) { d = d/2 + time.Duration(rnd.Int64N(int64(d/2)+1)) })
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// get reads items with patience for a busy store.
func (r *Runner) get(ctx context.Context, strong bool, keys ...table.Key) ([]table.Item, error) {
	for try := 0; ; try++ {
		items, err := r.cfg.Table.Get(ctx, keys, strong)
		if err == nil || !transient(err) || try+1 == writeTries || r.pause(ctx, firstBackoff<<try) != nil {
			return items, err
		}
	}
}

// query reads a whole range with patience for a busy store.
func (r *Runner) query(ctx context.Context, q table.Query, each func(table.Item) error) error {
	for try := 0; ; {
		page, err := r.cfg.Table.Query(ctx, q)
		if err != nil {
			if try++; transient(err) && try < writeTries && r.pause(ctx, firstBackoff<<try) == nil {
				continue
			}
			return err
		}
		try = 0
		for _, it := range page.Items {
			if err := each(it); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.After = page.Next
	}
}

func transient(err error) bool {
	return errors.Is(err, table.ErrBusy) || errors.Is(err, table.ErrUnknown)
}

// send sends one message, again while the queue is busy. A lost reply counts
// as not sent: a message too many is harmless, one too few is not.
func (r *Runner) send(ctx context.Context, lane queue.Lane, m record.Message, delay time.Duration) error {
	tenant, _, _ := record.SplitPK(m.PK)
	msg := queue.Message{Body: m.Encode(), Lane: lane, Delay: min(max(delay, 0), queue.MaxDelay), Group: tenant}
	return r.patiently(ctx, func() error { return r.cfg.Queue.Send(ctx, []queue.Message{msg})[0] })
}

// patiently makes a call of the queue again while it fails.
func (r *Runner) patiently(ctx context.Context, call func() error) error {
	for try := 0; ; try++ {
		err := call()
		if err == nil || try+1 == writeTries || r.pause(ctx, firstBackoff<<try) != nil {
			return err
		}
	}
}

// until is the delay from now to a time, at least 0, rounded up to seconds as
// queues count them.
func (r *Runner) until(at int64) time.Duration {
	d := time.Duration(max(at-r.now(), 0)) * time.Millisecond
	return (d + time.Second - 1).Truncate(time.Second)
}

// meta reads an execution's META; nil when there is none (or it has expired).
func (r *Runner) meta(ctx context.Context, pk string, strong bool) (*record.Meta, error) {
	items, err := r.get(ctx, strong, table.Key{PK: pk, SK: "0"})
	if err != nil || len(items) == 0 || record.Expired(items[0].Attrs, r.cfg.Now()) {
		return nil, err
	}
	return record.DecodeMeta(items[0])
}

// laneOf is the queue an execution's messages go to.
func laneOf(m *record.Meta) queue.Lane {
	switch l := queue.Lane(m.Priority); l {
	case queue.High, queue.Low:
		return l
	}
	return queue.Normal
}
