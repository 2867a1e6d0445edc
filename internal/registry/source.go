package registry

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Source is a source as stored.
type Source struct {
	Name    string
	Updated time.Time
	SHA256  string // of the document, hexadecimal
	Source  []byte // canonical JSON; nil in a list
}

func sourcesPK(tenant string) string { return tenant + "#src" }

func sourceKey(tenant, name string) table.Key { return table.Key{PK: sourcesPK(tenant), SK: name} }

// asSource is where a source's name stands among the names whose changes are
// counted. No workflow has such a name.
func asSource(tenant, name string) nameKey { return nameKey{tenant, "src#" + name} }

// sourceEntry is what is remembered of a source; src nil: there is none.
type sourceEntry struct {
	src   *workflow.Source
	until time.Time
}

// PutSource stores a source under its name, in place of the one that was there.
// created says that there was none; an unchanged document is not written.
func (r *Registry) PutSource(ctx context.Context, tenant, name string, src *workflow.Source) (created bool, err error) {
	if src.Name != name || !possible(name) || !possible(tenant) {
		return false, &problem.Error{
			Code: problem.Invalid, Detail: "the document is of another source",
			Faults: []workflow.Fault{{Pointer: "/name", Detail: "must be " + quote(name) + ", the name it is put under"}},
		}
	}
	if err := r.addTenant(ctx, tenant); err != nil {
		return false, err
	}
	defer r.sourceChanged(tenant, name) // also after an error: it may be applied
	sha := hash(src.Source())
	for range putTries {
		old, err := r.sourceItem(ctx, tenant, name)
		if err != nil {
			return false, err
		}
		seen := table.IfAbsent()
		if old != nil {
			if old[atSHA].Str() == sha {
				return created, nil
			}
			seen = table.All(table.Test{Attr: atSHA, Op: table.Eq, Value: old[atSHA]})
		}
		created = old == nil
		_, err = r.table.Write(ctx, table.Write{
			Key: sourceKey(tenant, name), Kind: table.Put, If: seen,
			Set: table.Attrs{
				atFormat: table.Int(record.FV), atDoc: table.Bytes(record.Pack(src.Source())),
				atSHA: table.String(sha), atUpdated: table.Int(r.now().UnixMilli()),
			},
		})
		if done, err := settle(err); done || err != nil {
			return created, err
		}
	}
	return false, errContended()
}

// Source is a source as stored now.
func (r *Registry) Source(ctx context.Context, tenant, name string) (Source, error) {
	a, err := r.sourceItem(ctx, tenant, name)
	if err != nil {
		return Source{}, err
	}
	if a == nil {
		return Source{}, unknownSource(name)
	}
	out := decodeSource(name, a)
	out.Source, err = record.Unpack(a[atDoc].Bytes())
	return out, err
}

// Sources is at most limit sources in the order of their names, beginning after
// a name ("" at the beginning); more says that others follow.
func (r *Registry) Sources(ctx context.Context, tenant, after string, limit int) (found []Source, more bool, err error) {
	q := table.Query{PK: sourcesPK(tenant), From: after, Strong: true, Limit: limit + 2}
	for {
		page, err := r.table.Query(ctx, q)
		if err != nil {
			return nil, false, fmt.Errorf("registry: list sources: %w", err)
		}
		for _, it := range page.Items {
			if err := readable("source", it.Attrs); err != nil {
				return nil, false, err
			}
			switch {
			case it.SK == after:
			case len(found) == limit:
				return found, true, nil
			default:
				found = append(found, decodeSource(it.SK, it.Attrs))
			}
		}
		if page.Next == "" {
			return found, false, nil
		}
		q.After = page.Next
	}
}

// DeleteSource removes a source: its events are refused from then on. Whatever
// they have started goes on.
func (r *Registry) DeleteSource(ctx context.Context, tenant, name string) error {
	defer r.sourceChanged(tenant, name)
	for round := range putTries {
		old, err := r.sourceItem(ctx, tenant, name)
		switch {
		case err != nil:
			return err
		case old == nil && round > 0: // an answer was lost, or another was faster
			return nil
		case old == nil:
			return unknownSource(name)
		}
		_, err = r.table.Write(ctx, table.Write{
			Key: sourceKey(tenant, name), Kind: table.Delete,
			If: table.All(table.Test{Attr: atSHA, Op: table.Eq, Value: old[atSHA]}),
		})
		if done, err := settle(err); done || err != nil {
			return err
		}
	}
	return errContended()
}

// LiveSource is the source that events are held against, nil for none. It may be
// LiveFor old, except after a change made through this Registry; that there is
// none is remembered as well, so that asking for it takes no longer.
func (r *Registry) LiveSource(ctx context.Context, tenant, name string) (*workflow.Source, error) {
	k := asSource(tenant, name)
	if e, ok := r.sources.get(k); ok && r.now().Before(e.until) {
		return e.src, nil
	}
	seen := r.changes.count(k)
	flight := fmt.Sprintf("s\x00%s\x00%s\x00%d", tenant, name, seen)
	e, err := share(ctx, r, flight, func(ctx context.Context) (sourceEntry, error) {
		return r.loadSource(ctx, tenant, name, seen)
	})
	return e.src, err
}

func (r *Registry) loadSource(ctx context.Context, tenant, name string, seen uint64) (sourceEntry, error) {
	e := sourceEntry{until: r.now().Add(LiveFor)} // before the read: the answer may be as old as this
	a, err := r.sourceItem(ctx, tenant, name)
	if err != nil {
		return sourceEntry{}, err
	}
	if a != nil {
		doc, err := record.Unpack(a[atDoc].Bytes())
		if err != nil {
			return sourceEntry{}, err
		}
		if e.src, err = workflow.ParseSource(doc); err != nil {
			return sourceEntry{}, fmt.Errorf("registry: the stored source %s is not readable by this binary: %w", quote(name), err)
		}
	}
	r.changes.unless(asSource(tenant, name), seen, func() { r.sources.put(asSource(tenant, name), e, 1) })
	return e, nil
}

// sourceItem reads a source strongly, nil for none.
func (r *Registry) sourceItem(ctx context.Context, tenant, name string) (table.Attrs, error) {
	if !possible(tenant) || !possible(name) {
		return nil, nil
	}
	items, err := r.table.Get(ctx, []table.Key{sourceKey(tenant, name)}, true)
	switch {
	case err != nil:
		return nil, fmt.Errorf("registry: read source: %w", err)
	case len(items) == 0:
		return nil, nil
	}
	return items[0].Attrs, readable("source", items[0].Attrs)
}

func (r *Registry) sourceChanged(tenant, name string) {
	k := asSource(tenant, name)
	r.changes.mu.Lock()
	defer r.changes.mu.Unlock()
	*r.changes.slot(k)++
	r.sources.remove(k)
}

func decodeSource(name string, a table.Attrs) Source {
	return Source{Name: name, Updated: time.UnixMilli(a[atUpdated].Int()).UTC(), SHA256: a[atSHA].Str()}
}

func unknownSource(name string) error {
	return problem.New(problem.NotFound, "there is no source named "+quote(name))
}
