package registry

import (
	"context"
	"fmt"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// head reads a name's head strongly; the zero head when it was never put.
func (r *Registry) head(ctx context.Context, tenant, name string) (head, error) {
	if !possible(name) {
		return head{}, nil
	}
	items, err := r.table.Get(ctx, []table.Key{headKey(tenant, name)}, true)
	if err != nil {
		return head{}, fmt.Errorf("registry: read workflow: %w", err)
	}
	if len(items) == 0 {
		return head{}, nil
	}
	return decodeHead(items[0].Attrs)
}

func (r *Registry) visibleHead(ctx context.Context, tenant, name string) (head, error) {
	h, err := r.head(ctx, tenant, name)
	if err == nil && !h.visible() {
		err = unknown(name)
	}
	return h, err
}

// Get is a workflow's state, as stored now.
func (r *Registry) Get(ctx context.Context, tenant, name string) (Workflow, error) {
	h, err := r.visibleHead(ctx, tenant, name)
	if err != nil {
		return Workflow{}, err
	}
	return h.workflow(name), nil
}

// List is at most limit workflows in the order of their names, beginning after
// a name ("" at the beginning); more says that others follow.
func (r *Registry) List(ctx context.Context, tenant, after string, limit int) (found []Workflow, more bool, err error) {
	q := table.Query{PK: tenant + "#w", From: after, Strong: true, Limit: limit + 2}
	for {
		page, err := r.table.Query(ctx, q)
		if err != nil {
			return nil, false, fmt.Errorf("registry: list: %w", err)
		}
		for _, it := range page.Items {
			h, err := decodeHead(it.Attrs)
			if err != nil {
				return nil, false, err
			}
			switch {
			case it.SK == after || !h.visible():
			case len(found) == limit:
				return found, true, nil
			default:
				found = append(found, h.workflow(it.SK))
			}
		}
		if page.Next == "" {
			return found, false, nil
		}
		q.After = page.Next
	}
}

// Version is one version of a workflow with its source.
func (r *Registry) Version(ctx context.Context, tenant, name string, version int) (Version, error) {
	if _, err := r.visibleHead(ctx, tenant, name); err != nil {
		return Version{}, err
	}
	return r.version(ctx, tenant, name, version)
}

// Versions lists a workflow's versions without their sources, newest first.
func (r *Registry) Versions(ctx context.Context, tenant, name string) ([]Version, error) {
	if _, err := r.visibleHead(ctx, tenant, name); err != nil {
		return nil, err
	}
	var found []Version
	q := table.Query{PK: versionsPK(tenant, name), Desc: true, Strong: true}
	for {
		page, err := r.table.Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("registry: list versions: %w", err)
		}
		for _, it := range page.Items {
			v, err := decodeVersion(it)
			if err != nil {
				return nil, err
			}
			found = append(found, v)
		}
		if page.Next == "" {
			return found, nil
		}
		q.After = page.Next
	}
}

// SetLive makes an existing version the one that new executions run.
func (r *Registry) SetLive(ctx context.Context, tenant, name string, version int) (Workflow, error) {
	return r.change(ctx, tenant, name, func(h *head, _ bool) error {
		if !h.visible() {
			return unknown(name)
		}
		if version < 1 || int64(version) > h.latest {
			return problem.New(problem.NotFound, fmt.Sprintf("workflow %s has no version %d", quote(name), version))
		}
		h.live = int64(version)
		return nil
	})
}

// Delete hides a workflow: it cannot be started, read or listed, until a Put of
// the same name shows it again with its versions. While it has executions that
// have not ended, it is a Conflict. A start at the same moment may slip
// through; it runs to its end, since versions are kept.
func (r *Registry) Delete(ctx context.Context, tenant, name string) error {
	if _, err := r.visibleHead(ctx, tenant, name); err != nil {
		return err
	}
	open, err := r.open(ctx, tenant, name)
	if err != nil {
		return fmt.Errorf("registry: look for open executions: %w", err)
	}
	if open {
		return problem.New(problem.Conflict, "workflow "+quote(name)+" has executions that have not ended; cancel them or wait for them first")
	}
	_, err = r.change(ctx, tenant, name, func(h *head, again bool) error {
		if !h.visible() && !again {
			return unknown(name)
		}
		h.hidden = true
		return nil
	})
	return err
}

// change edits a head until a write holds: it begins again when the head has
// moved or the answer was lost. edit refuses, or makes the state wanted; a head
// that is as wanted already is not written. again says that an earlier round
// may have been applied.
func (r *Registry) change(ctx context.Context, tenant, name string, edit func(h *head, again bool) error) (Workflow, error) {
	defer r.changed(nameKey{tenant, name}) // also after an error: it may be applied
	for round := range putTries {
		h, err := r.head(ctx, tenant, name)
		if err != nil {
			return Workflow{}, err
		}
		next := h
		if err := edit(&next, round > 0); err != nil {
			return Workflow{}, err
		}
		if next == h {
			return h.workflow(name), nil
		}
		next.updated = r.now().UnixMilli()
		_, err = r.table.Write(ctx, table.Write{
			Key: headKey(tenant, name), Kind: table.Put, Set: next.attrs(), If: h.seen(),
		})
		if done, err := settle(err); done || err != nil {
			return next.workflow(name), err
		}
	}
	return Workflow{}, errContended()
}
