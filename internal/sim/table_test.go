package sim

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// tableState is the one table of a world, with enough of its past to answer
// stale reads and lagging indexes.
type tableState struct {
	parts map[string]*partition
	index map[string]map[*row]struct{} // index partition → rows that have been in it
}

type partition struct {
	rows map[string]*row
	keys []string // sorted
}

type row struct {
	key  table.Key
	now  table.Attrs // nil: absent
	past []image     // older images, oldest first
}

// image is what a row was until a time.
type image struct {
	until time.Duration
	attrs table.Attrs
}

const (
	maxLag   = 2 * time.Minute
	keepPast = maxLag + 10*time.Second
)

func newTable() tableState {
	return tableState{parts: map[string]*partition{}, index: map[string]map[*row]struct{}{}}
}

func (s *tableState) get(k table.Key) *row {
	if p := s.parts[k.PK]; p != nil {
		return p.rows[k.SK]
	}
	return nil
}

// attrs is the present image, nil when absent.
func (s *tableState) attrs(k table.Key) table.Attrs {
	if r := s.get(k); r != nil {
		return r.now
	}
	return nil
}

// put makes attrs the image of k from now on.
func (s *tableState) put(now time.Duration, k table.Key, attrs table.Attrs) {
	p := s.parts[k.PK]
	if p == nil {
		p = &partition{rows: map[string]*row{}}
		s.parts[k.PK] = p
	}
	r := p.rows[k.SK]
	if r == nil {
		r = &row{key: k}
		p.rows[k.SK] = r
		i := sort.SearchStrings(p.keys, k.SK)
		p.keys = append(p.keys, "")
		copy(p.keys[i+1:], p.keys[i:])
		p.keys[i] = k.SK
	}
	cut := 0
	for cut < len(r.past) && r.past[cut].until < now-keepPast {
		cut++
	}
	r.past = append(r.past[cut:], image{now, r.now})
	r.now = attrs
	for _, name := range []string{table.HistPK, table.DuePK} {
		if v, in := attrs[name]; in {
			if s.index[v.Str()] == nil {
				s.index[v.Str()] = map[*row]struct{}{}
			}
			s.index[v.Str()][r] = struct{}{}
		}
	}
}

// at is the image at an earlier time.
func (r *row) at(t time.Duration) table.Attrs {
	for _, im := range r.past {
		if t < im.until {
			return im.attrs
		}
	}
	return r.now
}

// simTable is one process's view of the table.
type simTable struct {
	w *world
	p *process
}

var _ table.Table = simTable{}

// hashWrite identifies a write by what it is about, without the nonces in it.
func hashWrite(wr table.Write) uint64 {
	h := mixString(mixString(uint64(wr.Kind), wr.Key.PK), wr.Key.SK)
	var sum uint64
	for name, v := range wr.Set {
		if name != "ow" && !(name == "b" && strings.HasPrefix(wr.Key.SK, "r#")) { // nonces; a set in any order
			sum += mixString(mixString(mix(uint64(v.Kind()), uint64(v.Int())), name), v.Raw())
		}
	}
	return mix(h, sum)
}

// Write implements table.Table.
func (t simTable) Write(ctx context.Context, wr table.Write) (table.Attrs, error) {
	if err := wr.Validate(); err != nil {
		return nil, err
	}
	c := t.w.enter(ctx, t.p, hashWrite(wr))
	w, d := t.w, &c.dice
	if f := c.sleep(c.latency()); f != passed {
		return nil, c.adrift(f, wr)
	}
	w.mu.Lock()
	if c.crashes(crashBeforeWrite) {
		c.crash("before " + describe(wr))
		w.mu.Unlock()
		return nil, c.hang()
	}
	if c.freezes() {
		w.mu.Unlock()
		if c.sleep(time.Microsecond) == died { // until it thaws
			return nil, c.hang()
		}
		w.mu.Lock()
	}
	if w.strikes(tableBusy, d) {
		w.trace.add(w, event{c: c, op: "busy", write: &wr})
		c.inv.trouble++
		w.mu.Unlock()
		return nil, c.reply(table.ErrBusy)
	}
	if w.strikes(neverApplied, d) {
		w.trace.add(w, event{c: c, op: "lost", write: &wr})
		c.inv.trouble++
		w.mu.Unlock()
		return nil, c.reply(table.ErrUnknown)
	}
	image, err := c.apply(wr)
	switch {
	case err == nil && w.strikes(writtenTwice, d):
		image, err = c.apply(wr)
	case err == nil && w.strikes(appliedUnknown, d):
		w.trace.add(w, event{c: c, op: "reply lost", write: &wr})
		c.inv.trouble++
		image, err = nil, table.ErrUnknown
	}
	if c.crashes(crashAfterWrite) {
		c.crash("after " + describe(wr))
	} else {
		c.freezes()
	}
	w.mu.Unlock()
	if err := c.reply(err); err != nil {
		return nil, err
	}
	return image, nil
}

// reply lets the answer travel back. A context that ends meanwhile loses it.
func (c *call) reply(err error) error {
	switch c.sleep(c.latency() / 2) {
	case died:
		return c.hang()
	case ended:
		c.linger()
		if _, failed := table.Failed(err); err == nil || failed {
			return fmt.Errorf("%w: %w", table.ErrUnknown, context.Cause(c.ctx))
		}
	}
	return err
}

// adrift ends a write whose caller did not wait for the answer: perhaps it is
// on its way nevertheless, and arrives a little later.
func (c *call) adrift(f fate, wr table.Write) error {
	if c.dice.chance(0.5) && !c.w.over() {
		after := c.dice.between(time.Millisecond, 20*time.Millisecond)
		c.w.run(func() {
			if c.w.rest(after) {
				c.w.mu.Lock()
				_, _ = c.apply(wr)
				c.w.mu.Unlock()
			}
		})
	}
	if f == died {
		return c.hang()
	}
	c.linger()
	return fmt.Errorf("%w: %w", table.ErrUnknown, context.Cause(c.ctx))
}

// apply makes the write. Callers hold mu.
func (c *call) apply(wr table.Write) (table.Attrs, error) {
	w := c.w
	if w.over() {
		return nil, table.ErrBusy
	}
	old := w.table.attrs(wr.Key)
	if !wr.If.Holds(old) {
		w.trace.add(w, event{c: c, op: "refused", write: &wr, old: old})
		return nil, &table.ConditionFailed{Old: old}
	}
	image, err := table.Apply(old, wr)
	if err != nil {
		return nil, err
	}
	w.trace.add(w, event{c: c, op: "writes", write: &wr, old: old, image: image})
	w.table.put(w.since(), wr.Key, image)
	w.checkWrite(c, wr, old, image)
	table.BillWrite(c.ctx, wr.Key, old, image)
	return image, nil
}

// Transact implements table.Table; the core never uses it.
func (t simTable) Transact(context.Context, string, []table.Write) error {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.w.fail("", "the core made a transaction")
	return table.ErrBusy
}
