package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// sendTo sends n messages to a lane.
func sendTo(t *testing.T, q *Queue, l queue.Lane, n int) {
	t.Helper()
	for i := range n {
		for _, err := range q.Send(t.Context(), []queue.Message{{Body: fmt.Append(nil, i), Lane: l}}) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// hands is a handler that keeps each delivery for a while and reports it then.
type hands struct {
	takes func(d queue.Delivery) time.Duration

	mu sync.Mutex
	seen
}

// seen is what there has been so far.
type seen struct {
	now, most, ended int      // in hand
	batches          []int    // their sizes
	began            []string // lanes, in the order of their deliveries
}

func (h *hands) after(d time.Duration) seen {
	pass(d)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen
}

func (h *hands) handle(_ context.Context, ds []queue.Delivery) []string {
	h.mu.Lock()
	h.now += len(ds)
	h.most = max(h.most, h.now)
	h.batches = append(h.batches, len(ds))
	for _, d := range ds {
		h.began = append(h.began, string(d.Lane))
	}
	h.mu.Unlock()
	var all sync.WaitGroup
	for _, d := range ds {
		all.Go(func() {
			time.Sleep(h.takes(d)) // of the bubble
			h.mu.Lock()
			h.now--
			h.ended++
			h.mu.Unlock()
			d.Done(true)
		})
	}
	all.Wait()
	return nil
}

// TestOneSlowOfABatch keeps its own slot and no other: the others of its batch
// make room as they end, for invocations beside it.
func TestOneSlowOfABatch(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		h := &hands{takes: func(d queue.Delivery) time.Duration {
			if string(d.Body) == "slow" {
				return 20 * time.Second
			}
			return 10 * time.Millisecond
		}}
		send(t, q, "slow", "a", "b", "c")
		for range 4 {
			send(t, q, strings.Split("abcdefgh", "")...)
		}
		start(t, q.Pump(queue.Normal, PumpConfig{Batch: 4, Concurrency: 4}), h.handle)
		if got := h.after(time.Second); got.ended != 35 {
			t.Errorf("%d of 35 quick ones ended beside a slow one", got.ended)
		}
		got := h.after(20 * time.Second)
		if got.ended != 36 || got.most != 4 || slices.Max(got.batches) != 4 {
			t.Errorf("%d of 36 ended, at most %d at once in batches of %v, want 4 at most", got.ended, got.most, got.batches)
		}
	})
}

// TestSlotsAreShared by the lanes in turn: a backlog in one of them does not
// keep the other waiting.
func TestSlotsAreShared(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		h := &hands{takes: func(queue.Delivery) time.Duration { return time.Second }}
		slots := q.Slots(3)
		for _, l := range []queue.Lane{queue.Normal, queue.Low} {
			start(t, q.Pump(l, PumpConfig{Batch: 10, Slots: slots}), h.handle)
		}
		pass(0)
		sendTo(t, q, queue.Normal, 30)
		pass(100 * time.Millisecond)
		sendTo(t, q, queue.Low, 3)
		got := h.after(time.Minute)
		if got.ended != 33 || got.most != 3 {
			t.Errorf("%d of 33 ended, at most %d at once, want 3", got.ended, got.most)
		}
		if early := strings.Count(strings.Join(got.began[:9], " "), string(queue.Low)); early != 3 {
			t.Errorf("%d of 3 in the second lane began among the first nine: %v", early, got.began)
		}
	})
}

// TestWaitingForASlotCostsNothing: it is no receive, takes no visibility, and
// needs no window afterwards.
func TestWaitingForASlotCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		began := time.Now()
		slots := q.Slots(1)
		busy := &hands{takes: func(queue.Delivery) time.Duration { return 10 * time.Minute }}
		start(t, q.Pump(queue.Normal, PumpConfig{Slots: slots}), busy.handle)
		var got []string
		start(t, q.Pump(queue.Low, PumpConfig{Batch: 10, Window: time.Minute, Slots: slots}), func(_ context.Context, ds []queue.Delivery) []string {
			got = append(got, fmt.Sprint(len(ds), " received ", ds[0].Receives, " times after ", time.Since(began)))
			return nil
		})
		sendTo(t, q, queue.Normal, 1)
		pass(0)
		sendTo(t, q, queue.Low, 1)
		pass(9 * time.Minute)
		if v, f, _, _ := q.Depth(t.Context(), queue.Low); v != 1 || f != 0 {
			t.Errorf("%d visible and %d in flight, want one that waits in its lane", v, f)
		}
		pass(2 * time.Minute)
		if fmt.Sprint(got) != "[1 received 1 times after 10m0s]" {
			t.Errorf("%v, want one after the ten minutes of the other", got)
		}
	})
}

// TestNoMoreThanTheSlots: a batch is not larger than what is free.
func TestNoMoreThanTheSlots(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		h := &hands{takes: func(queue.Delivery) time.Duration { return time.Second }}
		send(t, q, "a", "b", "c", "d", "e")
		start(t, q.Pump(queue.Normal, PumpConfig{Batch: 10, Slots: q.Slots(2)}), h.handle)
		if got := h.after(time.Minute); got.ended != 5 || got.most != 2 {
			t.Errorf("%d of 5 ended, at most %d at once, want 2", got.ended, got.most)
		}
	})
}

// TestPanicAfterAReport leaves what was reported as it is.
func TestPanicAfterAReport(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		send(t, q, "a", "b")
		var got []string
		start(t, q.Pump(queue.Normal, PumpConfig{Batch: 10}), func(_ context.Context, ds []queue.Delivery) []string {
			for _, d := range ds {
				got = append(got, string(d.Body))
			}
			if len(ds) == 2 {
				ds[0].Done(true)
				panic("boom")
			}
			return nil
		})
		pass(time.Hour)
		if fmt.Sprint(got) != "[a b b]" {
			t.Errorf("delivered %v, want only b again", got)
		}
	})
}

// TestAFreedSlotKeepsTheTime: what the other lane's pump takes for it comes back
// after its visibility, though its handler hangs.
func TestAFreedSlotKeepsTheTime(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		slots := q.Slots(1)
		busy := &hands{takes: func(queue.Delivery) time.Duration { return time.Second }}
		start(t, q.Pump(queue.Normal, PumpConfig{Slots: slots}), busy.handle)
		hung := &hands{takes: func(queue.Delivery) time.Duration { return 20 * time.Minute }}
		start(t, q.Pump(queue.Low, PumpConfig{Slots: slots}), hung.handle)
		sendTo(t, q, queue.Normal, 1)
		pass(0)
		sendTo(t, q, queue.Low, 1)
		pass(10 * time.Minute)
		if v, f, _, _ := q.Depth(t.Context(), queue.Low); v != 1 || f != 0 {
			t.Errorf("%d visible and %d in flight after ten minutes, want it visible again", v, f)
		}
	})
}
