package queuetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

func deliver(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Normal, 1), nil)
	sent := time.Now()
	send(t, f.Queue, queue.Message{Body: []byte("a\x00b"), Lane: queue.Normal, Group: "tenant"})
	d := c.expect(0, 1)[0]
	if string(d.Body) != "a\x00b" || d.Receives != 1 || d.Lane != queue.Normal || d.ID == "" || !d.Sent.Equal(sent.Truncate(time.Millisecond)) {
		t.Errorf("delivered %+v, sent at %s", d, sent)
	}
	c.expect(time.Hour, 1)
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 0)
}

func sendResults(t *testing.T, f Fixture) {
	wrong := map[int]queue.Message{
		1: {Body: []byte("x"), Lane: "no such lane"},
		3: {Body: []byte("x"), Lane: queue.Normal, Delay: queue.MaxDelay + time.Second},
		4: {Body: []byte("x"), Lane: queue.Normal, Delay: -time.Second},
		6: {Lane: queue.Normal},
		7: {Body: make([]byte, 1<<20+1), Lane: queue.Normal},
	}
	ms := make([]queue.Message, queue.MaxBatch)
	for i := range ms {
		ms[i] = message(fmt.Sprint(i))
		if w, ok := wrong[i]; ok {
			ms[i] = w
		}
	}
	errs := f.Queue.Send(t.Context(), ms)
	if len(errs) != len(ms) {
		t.Fatalf("%d results for %d messages", len(errs), len(ms))
	}
	for i, err := range errs {
		if _, bad := wrong[i]; bad != (err != nil) {
			t.Errorf("message %d: %v", i, err)
		}
	}
	got := consume(t, f.Pump(queue.Normal, 10), nil).expect(0, len(ms)-len(wrong))
	seen := map[string]bool{}
	for _, d := range got {
		seen[string(d.Body)] = true
	}
	for i := range ms {
		if _, bad := wrong[i]; bad == seen[fmt.Sprint(i)] {
			t.Errorf("message %d delivered: %v", i, seen[fmt.Sprint(i)])
		}
	}
}

func tooMany(t *testing.T, f Fixture) {
	ms := make([]queue.Message, queue.MaxBatch+1)
	for i := range ms {
		ms[i] = message("x")
	}
	for i, err := range f.Queue.Send(t.Context(), ms) {
		if err == nil {
			t.Errorf("message %d of %d was accepted", i, len(ms))
		}
	}
	big := queue.Message{Body: bytes.Repeat([]byte{7}, 1<<20), Lane: queue.Normal}
	send(t, f.Queue, big)
	if d := consume(t, f.Pump(queue.Normal, 1), nil).expect(0, 1)[0]; !bytes.Equal(d.Body, big.Body) {
		t.Errorf("a body of 1 MiB came back with %d bytes", len(d.Body))
	}
}

func delay(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Normal, 10), nil)
	late, odd := message("late"), message("odd")
	late.Delay, odd.Delay = queue.MaxDelay, 1500*time.Millisecond
	send(t, f.Queue, late, odd, message("now"))
	c.expect(0, 1)
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 2)
	c.expect(1999*time.Millisecond, 1)
	if got := c.expect(2*time.Millisecond, 2); string(got[1].Body) != "odd" || got[1].Receives != 1 {
		t.Errorf("delivered %v", bodies(got))
	}
	c.expect(queue.MaxDelay-3*time.Second, 2)
	c.expect(2*time.Second, 3)
}

func visibility(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Normal, 1), func(d queue.Delivery) bool { return d.Receives == 1 })
	send(t, f.Queue, message("a"))
	c.expect(0, 1)
	c.expect(Visibility-10*time.Millisecond, 1)
	got := c.expect(20*time.Millisecond, 2)
	if got[1].ID != got[0].ID || got[1].Receives != 2 || got[1].Receipt == got[0].Receipt || !got[1].Sent.Equal(got[0].Sent) {
		t.Errorf("came back as %+v, was %+v", got[1], got[0])
	}
	c.expect(time.Hour, 2)
}

// Whether the dead-letter lane counts receives anew is the driver's: SQS goes
// on counting.
func redrive(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Normal, 1), func(queue.Delivery) bool { return true })
	send(t, f.Queue, message("poison"))
	got := c.expect(10*Visibility, MaxReceives)
	for i, d := range got {
		if d.Receives != i+1 {
			t.Errorf("receive %d says it is number %d", i+1, d.Receives)
		}
	}
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 0)
	wantDepth(t, f.Queue, queue.Dead, 1, 0, 0)
	d := consume(t, f.Pump(queue.Dead, 1), nil).expect(0, 1)[0]
	if d.ID != got[0].ID || string(d.Body) != "poison" || d.Lane != queue.Dead || d.Receives < 1 || !d.Sent.Equal(got[0].Sent) {
		t.Errorf("in the dead-letter lane as %+v, was %+v", d, got[0])
	}
}

func noDeadLetter(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Low, 1), func(queue.Delivery) bool { return true })
	send(t, f.Queue, queue.Message{Body: []byte("x"), Lane: queue.Low})
	got := c.expect(9*Visibility+time.Second, 10)
	if last := got[9]; last.Receives != 10 {
		t.Errorf("receive 10 says it is number %d", last.Receives)
	}
}

func partialFailure(t *testing.T, f Fixture) {
	fails := func(d queue.Delivery) bool { return d.Receives == 1 && (d.Body[0] == 'b' || d.Body[0] == 'd') }
	c := consume(t, f.Pump(queue.Normal, 10), fails)
	send(t, f.Queue, message("a"), message("b"), message("c"), message("d"), message("e"))
	c.expect(0, 5)
	wantDepth(t, f.Queue, queue.Normal, 0, 2, 0)
	got := c.expect(time.Hour, 7)
	if again := string(got[5].Body) + string(got[6].Body); again != "bd" && again != "db" {
		t.Errorf("delivered again: %q, want b and d", again)
	}
}

func unknownFailedID(t *testing.T, f Fixture) {
	var once sync.Once
	p := f.Pump(queue.Normal, 10)
	ctx, cancel := context.WithCancel(t.Context())
	deliveries, ended := 0, make(chan error)
	go func() {
		ended <- p.Run(ctx, func(_ context.Context, ds []queue.Delivery) (failed []string) {
			deliveries += len(ds)
			once.Do(func() { failed = []string{"never delivered"} })
			return failed
		})
	}()
	synctest.Wait()
	send(t, f.Queue, message("a"), message("b"))
	time.Sleep(time.Hour) // of the bubble: long enough for every return
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if deliveries != 4 {
		t.Errorf("%d deliveries; an id that was not delivered must fail the whole batch once, so 4", deliveries)
	}
}

func slowHandler(t *testing.T, f Fixture) {
	first := true
	var mu sync.Mutex
	c := consume(t, f.Pump(queue.Normal, 1), func(queue.Delivery) bool {
		mu.Lock()
		slow := first
		first = false
		mu.Unlock()
		if slow {
			time.Sleep(Visibility + 10*time.Second) // of the bubble: longer than the message is hidden
		}
		return slow
	})
	send(t, f.Queue, message("a"))
	c.expect(Visibility-time.Second, 1)
	got := c.expect(2*time.Second, 2) // the first is still at work
	if got[0].ID != got[1].ID {
		t.Errorf("two messages: %v", got)
	}
	c.expect(time.Hour, 2) // the first's failure is stale: the second has acknowledged
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 0)
}

func extend(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Normal, 1), func(d queue.Delivery) bool {
		if d.Receives > 1 {
			return false
		}
		if err := f.Queue.Extend(t.Context(), d, 2*time.Minute); err != nil {
			t.Errorf("Extend: %v", err)
		}
		return true
	})
	send(t, f.Queue, message("a"))
	c.expect(2*time.Minute-10*time.Millisecond, 1)
	wantDepth(t, f.Queue, queue.Normal, 0, 1, 0)
	got := c.expect(20*time.Millisecond, 2)
	if err := f.Queue.Extend(t.Context(), got[1], -time.Second); err == nil {
		t.Error("a negative visibility was accepted")
	}
	if err := f.Queue.Extend(t.Context(), got[1], 12*time.Hour+time.Second); err == nil {
		t.Error("a visibility beyond 12 hours was accepted")
	}
}

func extendToZero(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Normal, 1), func(d queue.Delivery) bool {
		if d.Receives == 1 {
			_ = f.Queue.Extend(t.Context(), d, 0)
		}
		return d.Receives == 1
	})
	send(t, f.Queue, message("a"))
	c.expect(time.Millisecond, 2)
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 0)
}

func staleReceipt(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Normal, 1), func(d queue.Delivery) bool { return d.Receives < 3 })
	send(t, f.Queue, message("a"))
	old := c.expect(Visibility+time.Second, 2)[0]
	for _, v := range []time.Duration{0, time.Hour} {
		if err := f.Queue.Extend(t.Context(), old, v); err != nil {
			t.Errorf("Extend by a stale receipt: %v", err)
		}
	}
	c.expect(Visibility-2*time.Second, 2)
	c.expect(2*time.Second, 3)
	if err := f.Queue.Extend(t.Context(), old, 0); err != nil { // acknowledged by now
		t.Errorf("Extend of what is gone: %v", err)
	}
	c.expect(time.Hour, 3)
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 0)
}

func depth(t *testing.T, f Fixture) {
	later := message("later")
	later.Delay = time.Minute
	send(t, f.Queue, message("a"), message("b"), later)
	wantDepth(t, f.Queue, queue.Normal, 2, 0, 1)
	c := consume(t, f.Pump(queue.Normal, 1), func(d queue.Delivery) bool { return string(d.Body) == "a" })
	c.expect(0, 2)
	wantDepth(t, f.Queue, queue.Normal, 0, 1, 1)
	c.stop()
	time.Sleep(time.Hour) // of the bubble: all delays and visibilities are over
	wantDepth(t, f.Queue, queue.Normal, 2, 0, 0)
	if _, _, _, err := f.Queue.Depth(t.Context(), "no such lane"); err == nil {
		t.Error("the depth of a lane that does not exist has no error")
	}
}

func batchSize(t *testing.T, f Fixture) {
	for range 3 {
		ms := make([]queue.Message, queue.MaxBatch)
		for i := range ms {
			ms[i] = message("x")
		}
		send(t, f.Queue, ms...)
	}
	c := consume(t, f.Pump(queue.Normal, 4), nil)
	c.expect(0, 30)
	for _, n := range c.batches {
		if n < 1 || n > 4 {
			t.Errorf("batches of %v, want at most 4", c.batches)
		}
	}
}

func drain(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Normal, 1), func(queue.Delivery) bool {
		time.Sleep(5 * time.Second) // of the bubble: the work that a drain waits for
		return false
	})
	send(t, f.Queue, message("a"))
	c.expect(time.Second, 1)
	began := time.Now()
	c.stop()
	if took := time.Since(began); took != 4*time.Second {
		t.Errorf("Run returned %s after its context ended, want 4s: when the handler was done", took)
	}
	send(t, f.Queue, message("b"))
	c.expect(time.Hour, 1)
	wantDepth(t, f.Queue, queue.Normal, 1, 0, 0)
}

func concurrentSends(t *testing.T, f Fixture) {
	const senders, each = 50, 4
	c := consume(t, f.Pump(queue.Normal, 10), nil)
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				send(t, f.Queue, message(fmt.Sprint(s, i)))
			}
		})
	}
	wg.Wait()
	seen, ids := map[string]int{}, map[string]bool{}
	for _, d := range c.expect(time.Hour, senders*each) {
		seen[string(d.Body)]++
		ids[d.ID] = true
	}
	if len(seen) != senders*each || len(ids) != senders*each {
		t.Errorf("%d bodies under %d ids, want %d of each", len(seen), len(ids), senders*each)
	}
}
