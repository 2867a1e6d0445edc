package registry

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// LiveFor is how long a name's live version may be answered from memory. With
// what a store's replication adds it stays within the promised 5 s.
const LiveFor = 2 * time.Second

// Bounds of what is kept in memory.
const (
	maxDocuments = 64 << 20 // weight of parsed documents, see documentWeight
	maxLive      = 4096     // names, of workflows and of sources each
)

// OpenExecutions reports whether a workflow has executions that have not ended.
type OpenExecutions func(ctx context.Context, tenant, name string) (bool, error)

// Config is what a Registry needs; all fields are required.
type Config struct {
	Table table.Table
	Now   func() time.Time
	Open  OpenExecutions
}

// Registry stores and finds workflows. It is safe for concurrent use.
//
// Errors that concern the caller are *problem.Error: NotFound for a name that
// is unknown or hidden and for a version that does not exist, Conflict where
// the state forbids it. Others come from the table.
type Registry struct {
	table table.Table
	now   func() time.Time
	open  OpenExecutions

	docs    *lru[docKey, *workflow.Document]
	live    *lru[nameKey, liveEntry]
	sources *lru[nameKey, sourceEntry]
	changes changes
	flights singleflight.Group
	putting chan struct{} // one Put at a time: losers of a race would only try again
	tenants tenantSet
}

// New makes a Registry.
func New(c Config) (*Registry, error) {
	if c.Table == nil || c.Now == nil || c.Open == nil {
		return nil, errors.New("registry: Table, Now and Open must be set")
	}
	return &Registry{
		table: table.Patient(c.Table), now: c.Now, open: c.Open,
		docs:    newLRU[docKey, *workflow.Document](maxDocuments),
		live:    newLRU[nameKey, liveEntry](maxLive),
		sources: newLRU[nameKey, sourceEntry](maxLive),
		putting: make(chan struct{}, 1),
	}, nil
}

// Workflow is a name with its versions' numbers.
type Workflow struct {
	Name    string
	Live    int // the version new executions run
	Latest  int // the highest version
	Updated time.Time
}

// Version is one version of a workflow.
type Version struct {
	Version int
	Created time.Time
	SHA256  string // of the source, hexadecimal
	Source  []byte // canonical JSON; nil in a list
}

func unknown(name string) error {
	return problem.New(problem.NotFound, "there is no workflow named "+quote(name))
}
