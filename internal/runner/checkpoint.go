package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// checkpoint makes a step's record durable. First outcome wins: a success is
// taken where there is no outcome yet, whatever the count; anything else only
// where the record is as it was seen. Otherwise the stored one is adopted.
func (x *run) checkpoint(rec *record.Step) event {
	saved := *rec
	saved.Owner = x.r.nonce(false)
	old, err := x.r.putStep(x.ctx, x.pk, x.number, x.expires, &saved)
	switch {
	case err != nil:
		return event{err: err}
	case old != nil:
		return event{stored: old, adopted: true}
	}
	return event{stored: rec}
}

// putStep writes a STEP under the rule above; old is the one that won instead.
func (r *Runner) putStep(ctx context.Context, pk string, run int, xp int64, rec *record.Step) (old *record.Step, err error) {
	body, err := r.storeChunks(ctx, pk, xp, rec.PackBody())
	if err != nil {
		return nil, err
	}
	attrs := rec.Attrs(body)
	attrs[table.ExpiryAttr] = table.Int(xp)
	open := table.Test{Attr: "k", Op: table.Eq, Value: table.String(string(record.Open))}
	absent := table.Test{Attr: table.SKAttr, Op: table.Absent}
	cond := table.Cond{{absent}, {open}}
	if rec.State != record.Done {
		cond = table.Cond{{open, equals("n", rec.Count-1)}}
		if rec.Count <= 1 {
			cond = append(cond, []table.Test{absent})
		}
	}
	key := record.StepKey(pk, run, rec.ID)
	_, err = r.write(ctx, table.Write{Key: key, Kind: table.Put, Set: attrs, If: cond}, rec.Owner)
	image, failed := table.Failed(err)
	if !failed {
		return nil, err
	}
	if image == nil {
		// It was open as far as we know and is absent now: an older image cannot
		// be. Better to stop than to guess.
		return nil, fmt.Errorf("record of step %s is gone", rec.ID)
	}
	return r.decodeStep(ctx, table.Item{Key: key, Attrs: image}, record.StepPrefix(run))
}

func (r *Runner) decodeStep(ctx context.Context, it table.Item, prefix string) (*record.Step, error) {
	s, packed, err := record.DecodeStep(it, prefix)
	if err != nil {
		return nil, err
	}
	body, err := r.unpack(ctx, it.PK, packed)
	if err != nil {
		return nil, err
	}
	if err := s.DecodeBody(body); err != nil {
		return nil, err
	}
	return s, nil
}

// storeChunks writes the parts of a payload that is too large for one item,
// before the item that refers to them, and returns what that item holds. With
// xp 0 they do not expire.
func (r *Runner) storeChunks(ctx context.Context, pk string, xp int64, packed []byte) ([]byte, error) {
	ref, sha, parts := record.Split(packed)
	for i, part := range parts {
		set := table.Attrs{"fv": table.Int(record.FV), "b": table.Bytes(part)}
		if xp != 0 {
			set[table.ExpiryAttr] = table.Int(xp)
		}
		_, err := r.write(ctx, table.Write{
			Key: record.ChunkKey(pk, sha, i), Kind: table.Put, Set: set,
			// The key is the content's hash: whoever was here before wrote the
			// same. Only a shorter life is not good enough.
			If: table.Cond{{{Attr: table.SKAttr, Op: table.Absent}}, {{Attr: table.ExpiryAttr, Op: table.Lt, Value: table.Int(xp)}}},
		}, "")
		if _, failed := table.Failed(err); err != nil && !failed {
			return nil, err
		}
	}
	return ref, nil
}

// unpack reads a packed payload, joining its chunks where it has any.
func (r *Runner) unpack(ctx context.Context, pk string, packed []byte) ([]byte, error) {
	c, chunked := record.Reference(packed)
	if !chunked {
		return record.Unpack(packed)
	}
	whole := make([]byte, 0, c.Parts*record.ChunkSize)
	for i := range c.Parts {
		items, err := r.get(ctx, true, record.ChunkKey(pk, c.SHA, i))
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			return nil, fmt.Errorf("part %d of a stored value is missing", i)
		}
		whole = append(whole, items[0].Attrs["b"].Raw()...)
	}
	return record.Unpack(whole)
}

// loadSteps reads the STEPs of META's run, and its `lo`, which overrides an
// absent or open one. Nil is never returned without an error.
func (r *Runner) loadSteps(ctx context.Context, m *record.Meta) (map[string]*record.Step, error) {
	prefix := record.StepPrefix(m.Run)
	recs := map[string]*record.Step{}
	q := table.Query{PK: m.PK, From: prefix, To: prefix + "\xff", Strong: true}
	err := r.query(ctx, q, func(it table.Item) error {
		if record.Expired(it.Attrs, r.cfg.Now()) {
			return nil
		}
		s, err := r.decodeStep(ctx, it, prefix)
		if err == nil {
			recs[s.ID] = s
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(m.Last) > 0 {
		s, err := record.DecodeLast(m.Last)
		if err != nil {
			return nil, err
		}
		if !recs[s.ID].Final() {
			recs[s.ID] = s
		}
	}
	return recs, nil
}

// loadInput is the input as JSON, nil for none.
func (r *Runner) loadInput(ctx context.Context, m *record.Meta) ([]byte, error) {
	if len(m.Input) > 0 {
		return r.unpack(ctx, m.PK, m.Input)
	}
	if m.InputItem == "" {
		return nil, nil
	}
	items, err := r.get(ctx, true, table.Key{PK: m.PK, SK: m.InputItem})
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("the input of %s is missing", m.ID)
	}
	return r.unpack(ctx, m.PK, items[0].Attrs["b"].Bytes())
}

// Steps are the records of META's run, its last outcome included.
func (r *Runner) Steps(ctx context.Context, m *record.Meta) (map[string]*record.Step, error) {
	return r.loadSteps(ctx, m)
}

// Input is the input as JSON, nil for none.
func (r *Runner) Input(ctx context.Context, m *record.Meta) (json.RawMessage, error) {
	return r.loadInput(ctx, m)
}

// Output is the output of META's run as JSON, nil for none.
func (r *Runner) Output(ctx context.Context, m *record.Meta) (json.RawMessage, error) {
	if len(m.Output) > 0 {
		return r.unpack(ctx, m.PK, m.Output)
	}
	if !m.OutputItem {
		return nil, nil
	}
	items, err := r.get(ctx, true, record.OutputKey(m.PK, m.Run))
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("the output of %s is missing", m.ID)
	}
	return r.unpack(ctx, m.PK, items[0].Attrs["b"].Bytes())
}

// expiry is the TTL of an execution's items in Unix seconds: its deadline,
// the retention after it, and a day of grace for the store.
func expiry(deadline int64) int64 {
	return time.UnixMilli(deadline).Add(Retention + 24*time.Hour).Unix()
}

// Retention is how long an ended execution is kept, counted from its deadline
// (README, Limits).
const Retention = 30 * 24 * time.Hour
