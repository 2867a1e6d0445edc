package queuetest

import (
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// The tests' handlers decide in the order of their batch, so one that sleeps
// keeps its invocation from ending, as a slow message does.

func earlyDone(t *testing.T, f Fixture) {
	send(t, f.Queue, message("a"), message("b"), message("c"))
	c := consume(t, f.Pump(queue.Normal, 10), func(d queue.Delivery) bool {
		if string(d.Body) == "b" {
			time.Sleep(10 * time.Second) // of the bubble: a slow one
		}
		d.Done(true)
		return false
	})
	c.expect(time.Second, 3)
	wantDepth(t, f.Queue, queue.Normal, 0, 2, 0)
	c.expect(10*time.Second, 3)
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 0)
	c.expect(time.Hour, 3)
}

// A failure that was reported early waits for its visibility as any other.
func earlyFailure(t *testing.T, f Fixture) {
	send(t, f.Queue, message("a"), message("b"))
	c := consume(t, f.Pump(queue.Normal, 10), func(d queue.Delivery) bool {
		d.Done(d.Receives == 2)
		if d.Receives == 1 {
			time.Sleep(time.Second) // of the bubble
		}
		return d.Receives == 1
	})
	c.expect(Visibility-time.Second, 2)
	wantDepth(t, f.Queue, queue.Normal, 0, 2, 0)
	for _, d := range c.expect(2*time.Second, 4)[2:] {
		if d.Receives != 2 {
			t.Errorf("%s came back as receive %d, want 2", d.Body, d.Receives)
		}
	}
	c.expect(time.Hour, 4)
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 0)
}

// Neither a second report nor the returned list changes the first report.
func firstReportCounts(t *testing.T, f Fixture) {
	send(t, f.Queue, message("done"), message("failed"))
	c := consume(t, f.Pump(queue.Normal, 10), func(d queue.Delivery) bool {
		ok := string(d.Body) == "done" || d.Receives > 1
		d.Done(ok)
		d.Done(!ok)
		return ok
	})
	c.expect(time.Second, 2)
	wantDepth(t, f.Queue, queue.Normal, 0, 1, 0)
	if got := c.expect(time.Hour, 3); string(got[2].Body) != "failed" {
		t.Errorf("%s came back, want what was first reported as failed", got[2].Body)
	}
}

// What was not reported is settled by what the handler returns.
func reportWithAnswer(t *testing.T, f Fixture) {
	send(t, f.Queue, message("reported"), message("fails"), message("succeeds"))
	c := consume(t, f.Pump(queue.Normal, 10), func(d queue.Delivery) bool {
		if string(d.Body) == "reported" {
			d.Done(true)
		}
		return string(d.Body) == "fails" && d.Receives == 1
	})
	c.expect(time.Second, 3)
	wantDepth(t, f.Queue, queue.Normal, 0, 1, 0)
	if got := c.expect(time.Hour, 4); string(got[3].Body) != "fails" {
		t.Errorf("%s came back, want what the handler returned", got[3].Body)
	}
}

func reportAfterTheEnd(t *testing.T, f Fixture) {
	send(t, f.Queue, message("a"))
	c := consume(t, f.Pump(queue.Normal, 1), func(d queue.Delivery) bool { return d.Receives == 1 })
	d := c.expect(time.Second, 1)[0]
	d.Done(true)
	wantDepth(t, f.Queue, queue.Normal, 0, 1, 0)
	c.expect(time.Hour, 2)
}

// Whoever has a message again is not disturbed by the report of a slow handler
// that had it before.
func reportOfOldReceipt(t *testing.T, f Fixture) {
	send(t, f.Queue, message("a"))
	c := consume(t, f.Pump(queue.Normal, 1), func(d queue.Delivery) bool {
		if d.Receives == 1 {
			time.Sleep(Visibility + 10*time.Second) // of the bubble: longer than it is hidden
			d.Done(true)
			return false
		}
		return d.Receives == 2
	})
	c.expect(Visibility+time.Second, 2)
	c.expect(20*time.Second, 2)
	wantDepth(t, f.Queue, queue.Normal, 0, 1, 0)
	c.expect(time.Hour, 3)
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 0)
}
