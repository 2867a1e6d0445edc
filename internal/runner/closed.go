package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// closedRun is the body of a RUN: what META said of an earlier run. Input and
// output are packed, as META has them, or in the items that it names.
type closedRun struct {
	Status     record.Status `json:"status"`
	Version    int           `json:"version"`
	Started    int64         `json:"started,omitempty"`
	Ended      int64         `json:"ended,omitempty"`
	Deadline   int64         `json:"deadline,omitempty"`
	Error      *record.Error `json:"error,omitempty"`
	Input      []byte        `json:"input,omitempty"`
	InputItem  string        `json:"inputItem,omitempty"`
	Output     []byte        `json:"output,omitempty"`
	OutputItem bool          `json:"outputItem,omitempty"`
	Succeeded  []string      `json:"ok,omitempty"` // steps that were called and succeeded
}

// putClosed puts the RUN of META's run. Whoever closes the run writes the same.
func (r *Runner) putClosed(ctx context.Context, m *record.Meta, recs map[string]*record.Step, xp int64) error {
	closed := closedRun{
		Status: m.Status, Version: m.Version, Started: m.Started, Ended: m.Ended, Deadline: m.Deadline, Error: m.Error,
		Input: m.Input, InputItem: m.InputItem, Output: m.Output, OutputItem: m.OutputItem,
	}
	for id, s := range recs {
		if s.State == record.Done {
			closed.Succeeded = append(closed.Succeeded, id)
		}
	}
	slices.Sort(closed.Succeeded)
	body, err := json.Marshal(closed)
	if err != nil {
		return err
	}
	ref, err := r.storeChunks(ctx, m.PK, xp, record.Pack(body))
	if err != nil {
		return err
	}
	_, err = r.write(ctx, table.Write{
		Key: record.RunKey(m.PK, m.Run), Kind: table.Put, If: table.IfAbsent(),
		Set: table.Attrs{"fv": table.Int(record.FV), "b": table.Bytes(ref), table.ExpiryAttr: table.Int(xp)},
	}, "")
	if _, there := table.Failed(err); there {
		return nil
	}
	return err
}

func (r *Runner) decodeClosed(ctx context.Context, it table.Item) (c closedRun, err error) {
	body, err := r.unpack(ctx, it.PK, it.Attrs["b"].Bytes())
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return c, fmt.Errorf("the summary of an earlier run is not readable: %w", err)
	}
	return c, nil
}

// Earlier is the META of an earlier run as it was when that run had ended, for
// reading it; m itself where run is its own. problem.NotFound for a run that
// there was not, or that is no longer kept.
func (r *Runner) Earlier(ctx context.Context, m *record.Meta, run int) (*record.Meta, error) {
	if run == m.Run {
		return m, nil
	}
	missing := problem.New(problem.NotFound, fmt.Sprintf("the execution has no run %d; its latest is %d", run, m.Run))
	if run < 1 || run > m.Run {
		return nil, missing
	}
	items, err := r.get(ctx, true, record.RunKey(m.PK, run))
	if err != nil {
		return nil, err
	}
	if len(items) == 0 || record.Expired(items[0].Attrs, r.cfg.Now()) {
		return nil, missing
	}
	c, err := r.decodeClosed(ctx, items[0])
	if err != nil {
		return nil, err
	}
	return &record.Meta{
		Tenant: m.Tenant, ID: m.ID, PK: m.PK, Workflow: m.Workflow, Version: c.Version, Run: run, Status: c.Status,
		Priority: m.Priority, Tags: m.Tags, Created: m.Created, NotBefore: m.NotBefore, Deadline: c.Deadline,
		Started: c.Started, Ended: c.Ended, Error: c.Error,
		Input: c.Input, InputItem: c.InputItem, Output: c.Output, OutputItem: c.OutputItem,
		WriteUnits: m.WriteUnits, ReadUnits: m.ReadUnits, Expires: m.Expires,
	}, nil
}

// generations says which steps had succeeded in an earlier run, and in which
// last: called again now, they are called for another effect.
func (r *Runner) generations(ctx context.Context, m *record.Meta) (map[string]int, error) {
	last := map[string]int{}
	for first := max(1, m.Run-table.MaxGet); first < m.Run; first++ {
		items, err := r.get(ctx, true, record.RunKey(m.PK, first))
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			c, err := r.decodeClosed(ctx, it)
			if err != nil {
				return nil, err
			}
			for _, step := range c.Succeeded {
				last[step] = first
			}
		}
	}
	return last, nil
}
