package runner_test

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// lambda has every visible message worked on from now on, each batch by a
// process of its own, which ends with its invocation's time.
func (w *world) lambda() {
	n := 0
	w.wg.Go(func() {
		w.dispatch(func() *process { n++; return w.process("l" + strconv.Itoa(n)) })
	})
}

// machine has every visible message worked on from now on by one process, which
// is replaced as soon as it has died.
func (w *world) machine() {
	n := 1
	p := w.process("m1")
	w.wg.Go(func() {
		w.dispatch(func() *process {
			if p.dead() {
				n++
				p = w.process("m" + strconv.Itoa(n))
			}
			return p
		})
	})
}

func (w *world) dispatch(worker func() *process) {
	for {
		w.mu.Lock()
		batch, changed, next := w.visible(), w.changed, w.nextVisible()
		w.mu.Unlock()
		if len(batch) == 0 {
			t := time.NewTimer(next)
			select {
			case <-changed:
			case <-t.C:
			case <-w.end:
				t.Stop()
				return
			}
			t.Stop()
			continue
		}
		limit := wiring[batch[0].lane].timeout
		inv := worker().take(batch...)
		w.wg.Go(func() { w.reap(inv, limit) })
	}
}

// breaks keeps workers from starting for d: what they are handed fails. The
// consumer of the dead lane is another program and works.
func (w *world) breaks(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.brokenUntil = time.Now().Add(d)
}

// reap kills a process whose invocation has not returned in time.
func (w *world) reap(inv *invocation, after time.Duration) {
	t := time.NewTimer(after + time.Second)
	defer t.Stop()
	select {
	case <-t.C:
		inv.p.die(fmt.Sprintf("at the end of its %s", after))
	case <-inv.done:
	case <-inv.p.gone:
	case <-w.end:
	}
}

// visible is the next batch that can be handed out. Callers hold mu.
func (w *world) visible() (batch []*message) {
	for _, l := range lanes {
		for _, m := range w.queue.all {
			if m.lane == l && !m.visible.After(time.Now()) && len(batch) < wiring[l].batch {
				batch = append(batch, m)
			}
		}
		if len(batch) > 0 {
			return batch
		}
	}
	return nil
}

// nextVisible is how long it is until a message can be handed out. Callers
// hold mu.
func (w *world) nextVisible() time.Duration {
	next := 24 * time.Hour // when there is none; a new one wakes the dispatcher
	for _, m := range w.queue.all {
		next = min(next, time.Until(m.visible))
	}
	return next
}

// cron has the sweeper run every minute from now on.
func (w *world) cron() {
	w.wg.Go(func() {
		for n := 1; ; n++ {
			t := time.NewTimer(time.Minute)
			select {
			case <-t.C:
			case <-w.end:
				t.Stop()
				return
			}
			if err := w.process("s" + strconv.Itoa(n)).sweep(); err != nil && !errors.Is(err, errDied) && !w.over() {
				w.t.Errorf("sweep: %v", err)
			}
		}
	})
}
