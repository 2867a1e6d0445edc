package sqlite

import (
	"context"
	"runtime/debug"
	"slices"
	"strconv"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// invocation is one batch in its handler's hands.
type invocation struct {
	pump  *Pump
	batch []queue.Delivery
	// settled are those of the batch whose slots are free again. The queue's
	// lock guards it.
	settled []bool
}

// invoke handles one batch. A delivery that the handler reports early gives way
// to the next one, in an invocation beside this.
func (p *Pump) invoke(r *run, ds []queue.Delivery) {
	defer r.busy.Done()
	ctx := r.ctx
	if p.config.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.config.Timeout)
		defer cancel()
	}
	v := &invocation{pump: p, batch: ds, settled: make([]bool, len(ds))}
	for i := range ds {
		ds[i].Done = func(ok bool) { v.settle(i, i+1, func(string) bool { return !ok }) }
	}
	failed := v.call(ctx, r.handler)
	v.settle(0, len(ds), func(id string) bool { return failed[id] })
}

// call returns which deliveries failed. A panic, a body that cannot be read and
// an id that was not delivered all fail the batch: what the handler did is not
// known then.
func (v *invocation) call(ctx context.Context, h queue.Handler) (failed map[string]bool) {
	p, ds := v.pump, v.batch
	all := make(map[string]bool, len(ds))
	for _, d := range ds {
		all[d.ID] = true
	}
	failed = all
	defer func() {
		if value := recover(); value != nil && p.config.OnPanic != nil {
			p.config.OnPanic(value, debug.Stack())
		}
	}()
	for i := range ds {
		if len(ds[i].Body) == 0 {
			id, _ := strconv.ParseInt(ds[i].ID, 36, 64)
			body, err := p.queue.body(id)
			if err != nil {
				return all
			}
			ds[i].Body = body
		}
	}
	ids := h(ctx, slices.Clone(ds))
	some := make(map[string]bool, len(ids))
	for _, id := range ids {
		if !all[id] {
			return all
		}
		some[id] = true
	}
	failed = some
	return failed
}

// settle acknowledges what has not failed of the batch from i to before j, as
// far as that was not settled earlier, and takes the next deliveries.
func (v *invocation) settle(i, j int, failed func(id string) bool) {
	p, q := v.pump, v.pump.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	freed := 0
	var acked []int64
	for ; i < j; i++ {
		if v.settled[i] {
			continue
		}
		v.settled[i] = true
		freed++
		d := v.batch[i]
		if m := q.held(d); m != nil && !failed(d.ID) {
			m.lane.unhide(m)
			acked = append(acked, m.id)
		}
	}
	if freed == 0 {
		return
	}
	q.remove(acked)
	p.free += freed
	p.config.Slots.give(freed)
	q.ready[p.lane] = true
	q.look()
}
