package runner

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Documents finds workflow documents. Both answers are problem.NotFound for a
// name or version that does not exist, and are expected to be cached.
type Documents interface {
	// Live is the version that new executions run.
	Live(ctx context.Context, tenant, name string) (version int, doc *workflow.Document, err error)
	// Document is one version, hidden names included.
	Document(ctx context.Context, tenant, name string, version int) (*workflow.Document, error)
}

// Tasks tells Step Functions how the tasks go that wait for executions;
// *step.Tasks does. An error is step.ErrTaskOver where nobody waits any more; any
// other may pass. Saying something twice must be harmless.
type Tasks interface {
	Succeed(ctx context.Context, token string, output json.RawMessage) error
	Fail(ctx context.Context, token, name, cause string) error
	Beat(ctx context.Context, token string) error
}

// Times are the protocol's durations (PROTOCOL 3, Lanes). The zero value of
// each field is its default; a test scales them all by one factor.
type Times struct {
	LeaseGrace  time.Duration // lease beyond the invocation's deadline; 5 s
	SkewGrace   time.Duration // clock difference between workers; 2 s
	NoNewStep   time.Duration // into an invocation, after which no step starts; 45 s
	MaxAttempt  time.Duration // longest attempt on a shared lane; 40 s
	SoloLease   time.Duration // 65 s
	SoloRenew   time.Duration // 30 s
	SoloVisible time.Duration // 90 s
	Hold        time.Duration // a due this near is waited for under the lease; 1 s
	Look        time.Duration // how often a holder looks for a cancel; 1 s
	LookAfter   time.Duration // how long a lease lasts before the first look; 2 s
	SweepLag    time.Duration // how old a start must be to be swept; 3 m
}

// WithDefaults fills the zero fields in.
func (t Times) WithDefaults() Times {
	for _, f := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&t.LeaseGrace, 5 * time.Second}, {&t.SkewGrace, 2 * time.Second},
		{&t.NoNewStep, 45 * time.Second}, {&t.MaxAttempt, 40 * time.Second},
		{&t.SoloLease, 65 * time.Second}, {&t.SoloRenew, 30 * time.Second},
		{&t.SoloVisible, 90 * time.Second}, {&t.Hold, time.Second},
		{&t.Look, time.Second}, {&t.LookAfter, 2 * time.Second},
		{&t.SweepLag, 3 * time.Minute},
	} {
		if *f.at == 0 {
			*f.at = f.def
		}
	}
	return t
}

// Config is what a Runner needs. Table, Queue, Docs, HTTP, Now, Random,
// Incarnation and Keys are required.
type Config struct {
	Table table.Table
	Queue queue.Queue
	Docs  Documents
	HTTP  step.Caller // makes the calls of http and callback steps

	// Tasks answers tasks of Step Functions; nil: starts that bring a task are
	// refused.
	Tasks Tasks

	Now    func() time.Time
	Random rand.Source // ids, nonces and jitter; made safe for concurrent use here

	// Incarnation names this process among the holders of leases; unique for
	// each start, without dots.
	Incarnation string
	// Dead says whose leases are void although they have not expired; nil:
	// nobody's. Only an embedded store knows (PROTOCOL 2).
	Dead func(owner string) bool

	// Keys authenticate callback tokens; the first signs, all verify.
	Keys [][]byte
	// PublicURL is the base of callback addresses, without a trailing slash.
	PublicURL string

	Times Times
	Log   *slog.Logger // nil: discards
}

func (c Config) validate() error {
	switch {
	case c.Table == nil, c.Queue == nil, c.Docs == nil, c.HTTP == nil, c.Now == nil, c.Random == nil:
		return errors.New("runner: Table, Queue, Docs, HTTP, Now and Random must be set")
	case c.Incarnation == "":
		return errors.New("runner: Incarnation must name this process")
	case len(c.Keys) == 0 || len(c.Keys[0]) < 32:
		return errors.New("runner: Keys must hold at least one key of 32 bytes")
	}
	return nil
}
