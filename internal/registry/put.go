package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// putTries bounds how often a Put begins again after another process changed
// the same name, or after an answer that was lost.
const putTries = 20

// Put stores the document under its name and makes it live at once. A document
// that is the same as the live or the latest version makes no new version
// (created is false): that version becomes live, and a hidden name is shown
// again. Documents put at the same time get different versions, and the last
// one written is live.
func (r *Registry) Put(ctx context.Context, tenant, name string, doc *workflow.Document) (version int, created bool, err error) {
	if doc.Name != name || !possible(name) {
		return 0, false, &problem.Error{
			Code: problem.Invalid, Detail: "the document is of another workflow",
			Faults: []workflow.Fault{{Pointer: "/name", Detail: "must be " + quote(name) + ", the name it is put under"}},
		}
	}
	select {
	case r.putting <- struct{}{}:
		defer func() { <-r.putting }()
	case <-ctx.Done():
		return 0, false, ctx.Err()
	}
	if err := r.addTenant(ctx, tenant); err != nil {
		return 0, false, err
	}
	defer r.changed(nameKey{tenant, name}) // also after an error: it may be applied
	p := put{r: r, tenant: tenant, name: name, source: doc.Source(), sha: hash(doc.Source())}
	for range putTries {
		done, err := p.try(ctx)
		if done || err != nil {
			return p.version, p.created, err
		}
	}
	return 0, false, errContended()
}

func errContended() error {
	return problem.New(problem.Unavailable, "the workflow is being changed by others all the time; try again")
}

// put is one Put under way.
type put struct {
	r            *Registry
	tenant, name string
	source       []byte
	sha          string

	version int
	created bool
	sent    map[int]int64 // versions this Put has sent → their created
}

// try makes one round: read, decide, write if all still stands as read. Done
// false means that it does not, or that the answer was lost: read again.
func (p *put) try(ctx context.Context) (done bool, err error) {
	h, err := p.r.head(ctx, p.tenant, p.name)
	if err != nil {
		return false, err
	}
	stored, err := p.stored(ctx, h)
	if err != nil {
		return false, err
	}
	for _, v := range stored {
		if at, sent := p.sent[v.Version]; sent && at == v.Created.UnixMilli() {
			// An answer was lost: this is the version that this Put wrote. If it
			// is not live any more, that was decided later.
			p.version, p.created = v.Version, true
			return true, nil
		}
	}
	if len(stored) == 0 {
		return p.add(ctx, h)
	}
	return p.enliven(ctx, h, stored[0].Version)
}

// stored lists the versions that hold this very document, of those that count:
// the live one (first, if it is among them), the latest, and any that this Put
// may have written.
func (p *put) stored(ctx context.Context, h head) ([]Version, error) {
	if h.latest == 0 {
		return nil, nil
	}
	numbers := map[int]bool{int(h.live): true, int(h.latest): true}
	for n := range p.sent {
		numbers[n] = true
	}
	keys := make([]table.Key, 0, len(numbers))
	for n := range numbers {
		keys = append(keys, versionKey(p.tenant, p.name, n))
	}
	items, err := p.r.table.Get(ctx, keys, true)
	if err != nil {
		return nil, fmt.Errorf("registry: read versions: %w", err)
	}
	var found []Version
	for _, it := range items {
		v, err := decodeVersion(it)
		switch {
		case err != nil:
			return nil, err
		case v.SHA256 != p.sha:
		case v.Version == int(h.live):
			found = slices.Insert(found, 0, v)
		default:
			found = append(found, v)
		}
	}
	return found, nil
}

// enliven makes an existing version live and the name visible.
func (p *put) enliven(ctx context.Context, h head, version int) (done bool, err error) {
	p.version = version
	if h.visible() && h.live == int64(version) {
		return true, nil
	}
	next := h
	next.live, next.hidden, next.updated = int64(version), false, p.r.now().UnixMilli()
	_, err = p.r.table.Write(ctx, table.Write{
		Key: headKey(p.tenant, p.name), Kind: table.Put, Set: next.attrs(), If: h.seen(),
	})
	return settle(err)
}

// add writes the next version and the head that makes it live, both or none.
func (p *put) add(ctx context.Context, h head) (done bool, err error) {
	if h.latest >= maxVersion {
		return false, problem.New(problem.Conflict, fmt.Sprintf("a workflow has at most %d versions", maxVersion))
	}
	now := p.r.now()
	n := int(h.latest) + 1
	next := head{live: int64(n), latest: int64(n), updated: now.UnixMilli()}
	if p.sent == nil {
		p.sent = map[int]int64{}
	}
	p.sent[n] = now.UnixMilli()
	err = p.r.table.Transact(ctx, p.token(n, h, now), []table.Write{
		{
			Key: versionKey(p.tenant, p.name, n), Kind: table.Put,
			Set: versionAttrs(p.source, p.sha, now), If: table.IfAbsent(),
		},
		{Key: headKey(p.tenant, p.name), Kind: table.Put, Set: next.attrs(), If: h.seen()},
	})
	done, err = settle(err)
	if done {
		p.version, p.created = n, true
	}
	return done, err
}

// token makes the store apply a re-sent transaction once. It names everything
// that the transaction writes and tests, so equal tokens are equal transactions.
func (p *put) token(n int, h head, now time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %s %d %d %t", p.tenant, p.name, n, p.sha, now.UnixMilli(), h.live, h.hidden))
	return hex.EncodeToString(sum[:16])
}

// settle says of a write's outcome whether it is done; not done without an
// error means that the state must be read again.
func settle(err error) (done bool, _ error) {
	if _, failed := table.Failed(err); failed || errors.Is(err, table.ErrUnknown) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("registry: write: %w", err)
	}
	return true, nil
}

// tenantSet remembers which tenants have their record.
type tenantSet struct {
	mu    sync.Mutex
	known map[string]bool
}

func (s *tenantSet) has(tenant string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[tenant]
}

func (s *tenantSet) add(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[string]bool{}
	}
	s.known[tenant] = true
}

// addTenant makes sure that the tenant's record exists.
func (r *Registry) addTenant(ctx context.Context, tenant string) error {
	if r.tenants.has(tenant) {
		return nil
	}
	var err error
	for range putTries {
		_, err = r.table.Write(ctx, table.Write{
			Key: table.Key{PK: record.TenantsPK, SK: tenant}, Kind: table.Put,
			Set: table.Attrs{atFormat: table.Int(record.FV), atShards: table.Int(record.HistShards)},
			If:  table.IfAbsent(),
		})
		if _, exists := table.Failed(err); err == nil || exists {
			r.tenants.add(tenant)
			return nil
		}
		if !errors.Is(err, table.ErrUnknown) {
			break
		}
	}
	return fmt.Errorf("registry: write tenant: %w", err)
}
