package registry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

type nameKey struct{ tenant, name string }

type docKey struct {
	nameKey
	version int
}

type liveEntry struct {
	version int
	doc     *workflow.Document
	until   time.Time
}

// documentWeight estimates what a parsed document occupies: its source, its
// compiled expressions and schema.
func documentWeight(d *workflow.Document) int { return 4096 + 8*len(d.Source()) }

// Live is the version that new executions run, and its document. It may be
// LiveFor old, except after a change made through this Registry.
func (r *Registry) Live(ctx context.Context, tenant, name string) (int, *workflow.Document, error) {
	k := nameKey{tenant, name}
	if e, ok := r.knownLive(k); ok {
		return e.version, e.doc, nil
	}
	// Loads begun before a change must not serve who asks after it, so the
	// number of changes seen is part of the flight's name.
	seen := r.changes.count(k)
	flight := fmt.Sprintf("l\x00%s\x00%s\x00%d", tenant, name, seen)
	e, err := share(ctx, r, flight, func(ctx context.Context) (liveEntry, error) {
		if e, ok := r.knownLive(k); ok {
			return e, nil // of a flight that has landed since the caller looked
		}
		return r.loadLive(ctx, k, seen)
	})
	return e.version, e.doc, err
}

func (r *Registry) knownLive(k nameKey) (liveEntry, bool) {
	e, ok := r.live.get(k)
	return e, ok && r.now().Before(e.until)
}

func (r *Registry) loadLive(ctx context.Context, k nameKey, seen uint64) (liveEntry, error) {
	asked := r.now() // before the read: the answer may be as old as this
	h, err := r.visibleHead(ctx, k.tenant, k.name)
	if err != nil {
		return liveEntry{}, err
	}
	e := liveEntry{version: int(h.live), until: asked.Add(LiveFor)}
	if e.doc, err = r.Document(ctx, k.tenant, k.name, e.version); err != nil {
		return liveEntry{}, err
	}
	r.changes.unless(k, seen, func() { r.live.put(k, e, 1) })
	return e, nil
}

// Document is one version of a workflow, hidden names included: their open and
// finished executions are still read and retried.
func (r *Registry) Document(ctx context.Context, tenant, name string, version int) (*workflow.Document, error) {
	k := docKey{nameKey{tenant, name}, version}
	if d, ok := r.docs.get(k); ok {
		return d, nil
	}
	flight := fmt.Sprintf("d\x00%s\x00%s\x00%d", tenant, name, version)
	return share(ctx, r, flight, func(ctx context.Context) (*workflow.Document, error) {
		if d, ok := r.docs.get(k); ok {
			return d, nil
		}
		v, err := r.version(ctx, tenant, name, version)
		if err != nil {
			return nil, err
		}
		d, err := workflow.Parse(v.Source)
		if err != nil {
			return nil, fmt.Errorf("registry: stored version %d of %s is not readable by this binary: %w", version, quote(name), err)
		}
		r.docs.put(k, d, documentWeight(d))
		return d, nil
	})
}

// version reads one version with its source. Versions never change, so a weak
// read that finds it is as good as a strong one.
func (r *Registry) version(ctx context.Context, tenant, name string, n int) (Version, error) {
	missing := problem.New(problem.NotFound, fmt.Sprintf("workflow %s has no version %d", quote(name), n))
	if !possible(name) || n < 1 || n > maxVersion {
		return Version{}, missing
	}
	keys := []table.Key{versionKey(tenant, name, n)}
	for _, strong := range []bool{false, true} {
		items, err := r.table.Get(ctx, keys, strong)
		if err != nil {
			return Version{}, fmt.Errorf("registry: read version: %w", err)
		}
		if len(items) == 0 {
			continue
		}
		v, err := decodeVersion(items[0])
		if err != nil {
			return Version{}, err
		}
		v.Source, err = record.Unpack(items[0].Attrs[atDoc].Bytes())
		return v, err
	}
	return Version{}, missing
}

// share lets concurrent callers share one load. A caller that gives up does not
// end the load for the others.
func share[T any](ctx context.Context, r *Registry, flight string, load func(context.Context) (T, error)) (T, error) {
	done := r.flights.DoChan(flight, func() (any, error) { return load(context.WithoutCancel(ctx)) })
	var zero T
	select {
	case res := <-done:
		if res.Err != nil {
			return zero, res.Err
		}
		return res.Val.(T), nil
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

// changes counts the changes made to names by this process. A load that began
// before a change must not be kept after it. Names share a few counters: a
// collision costs a load, nothing else.
type changes struct {
	mu     sync.Mutex
	counts [256]uint64
}

func (c *changes) slot(k nameKey) *uint64 {
	h := uint32(2166136261) // FNV-1a
	for _, s := range []string{k.tenant, "#", k.name} {
		for i := range len(s) {
			h = (h ^ uint32(s[i])) * 16777619
		}
	}
	return &c.counts[h%uint32(len(c.counts))]
}

func (c *changes) count(k nameKey) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.slot(k)
}

func (c *changes) unless(k nameKey, seen uint64, keep func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *c.slot(k) == seen {
		keep()
	}
}

// changed drops what is known of a name's head.
func (r *Registry) changed(k nameKey) {
	r.changes.mu.Lock()
	defer r.changes.mu.Unlock()
	*r.changes.slot(k)++
	r.live.remove(k)
}
