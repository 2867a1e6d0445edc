package queuetest

import (
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// settled is longer than a driver may take to write down a receive or an
// acknowledgement that nobody waits for.
const settled = time.Second

func crashInFlight(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Normal, 1), func(queue.Delivery) bool { return true })
	send(t, f.Queue, message("a"))
	was := c.expect(settled, 1)[0]
	f = f.Crash()
	c = consume(t, f.Pump(queue.Normal, 1), nil)
	if d := c.expect(0, 1)[0]; d.ID != was.ID || string(d.Body) != "a" || d.Receives != 2 || !d.Sent.Equal(was.Sent) {
		t.Errorf("after the crash %+v, before %+v; it must be visible at once with its receives kept", d, was)
	}
}

func crashDelayed(t *testing.T, f Fixture) {
	later := message("later")
	later.Delay = 10 * time.Minute
	send(t, f.Queue, later)
	f = f.Crash()
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 1)
	c := consume(t, f.Pump(queue.Normal, 1), nil)
	c.expect(10*time.Minute-2*time.Second, 0)
	c.expect(4*time.Second, 1)
}

func crashAfterAck(t *testing.T, f Fixture) {
	c := consume(t, f.Pump(queue.Normal, 1), nil)
	send(t, f.Queue, message("a"))
	first := c.expect(settled, 1)[0]
	f = f.Crash()
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 0)
	c = consume(t, f.Pump(queue.Normal, 1), nil)
	send(t, f.Queue, message("b"))
	if d := c.expect(0, 1)[0]; d.ID == first.ID {
		t.Errorf("id %s was used again after the crash", d.ID)
	}
}

// A message that kills its process each time must still reach the dead-letter
// lane: the receives of all lives count together.
func crashCountsTwice(t *testing.T, f Fixture) {
	send(t, f.Queue, message("poison"))
	for range MaxReceives {
		c := consume(t, f.Pump(queue.Normal, 1), func(queue.Delivery) bool { return true })
		c.expect(settled, 1)
		f = f.Crash()
	}
	wantDepth(t, f.Queue, queue.Normal, 0, 0, 0)
	wantDepth(t, f.Queue, queue.Dead, 1, 0, 0)
}

// What was reported as done is gone although others of its batch were at work
// when the process died; those come back.
func crashInBatch(t *testing.T, f Fixture) {
	send(t, f.Queue, message("slow"), message("done"))
	c := consume(t, f.Pump(queue.Normal, 10), func(d queue.Delivery) bool {
		if string(d.Body) == "done" {
			d.Done(true)
			time.Sleep(time.Hour) // of the bubble: its batch goes on
		}
		return false
	})
	c.expect(settled, 2)
	f = f.Crash()
	wantDepth(t, f.Queue, queue.Normal, 1, 0, 0)
	if d := consume(t, f.Pump(queue.Normal, 10), nil).expect(time.Minute, 1)[0]; string(d.Body) != "slow" || d.Receives != 2 {
		t.Errorf("after the crash %s came with %d receives, want slow with 2", d.Body, d.Receives)
	}
}
