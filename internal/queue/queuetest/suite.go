// Package queuetest is the conformance suite of the queue port. Every driver
// runs it, each test with a queue of its own and on the virtual clock of
// testing/synctest, so that visibility and delays are exact and cost no time.
package queuetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// What the lanes of a Fixture must be set to: Normal moves a message to Dead
// after MaxReceives; Low has no dead-letter lane.
const (
	Visibility  = 30 * time.Second
	MaxReceives = 3
)

// Fixture is one fresh queue with the lanes Normal, Low and Dead.
type Fixture struct {
	Queue queue.Queue
	// Pump makes a pump of a lane without a batching window.
	Pump func(l queue.Lane, batch int) queue.Pump
	// Crash stops the queue as a dying process would and opens what is left.
	// Only RunCrash needs it, whose deliveries have Done as well.
	Crash func() Fixture
}

// Run runs the suite. open is called inside a synctest bubble and cleans up by
// itself (t.Cleanup).
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for name, test := range map[string]func(*testing.T, Fixture){
		"Deliver":         deliver,
		"SendResults":     sendResults,
		"TooMany":         tooMany,
		"Delay":           delay,
		"Visibility":      visibility,
		"Redrive":         redrive,
		"NoDeadLetter":    noDeadLetter,
		"PartialFailure":  partialFailure,
		"UnknownFailedID": unknownFailedID,
		"SlowHandler":     slowHandler,
		"Extend":          extend,
		"ExtendToZero":    extendToZero,
		"StaleReceipt":    staleReceipt,
		"Depth":           depth,
		"BatchSize":       batchSize,
		"Drain":           drain,
		"ConcurrentSends": concurrentSends,
	} {
		each(t, name, test, open)
	}
}

// RunCrash runs what a queue promises that lives in its process: what a dying
// process leaves behind. Fixtures must have Crash.
func RunCrash(t *testing.T, open func(t *testing.T) Fixture) {
	for name, test := range map[string]func(*testing.T, Fixture){
		"CrashInFlight":    crashInFlight,
		"CrashDelayed":     crashDelayed,
		"CrashAfterAck":    crashAfterAck,
		"CrashCountsTwice": crashCountsTwice,
		"CrashInBatch":     crashInBatch,
	} {
		each(t, name, test, open)
	}
}

// RunEarly runs what a pump promises whose deliveries can be reported before
// their batch has ended (queue.Delivery's Done).
func RunEarly(t *testing.T, open func(t *testing.T) Fixture) {
	for name, test := range map[string]func(*testing.T, Fixture){
		"EarlyDone":          earlyDone,
		"EarlyFailure":       earlyFailure,
		"FirstReportCounts":  firstReportCounts,
		"ReportWithAnswer":   reportWithAnswer,
		"ReportAfterTheEnd":  reportAfterTheEnd,
		"ReportOfOldReceipt": reportOfOldReceipt,
	} {
		each(t, name, test, open)
	}
}

func each(t *testing.T, name string, test func(*testing.T, Fixture), open func(t *testing.T) Fixture) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { test(t, open(t)) })
	})
}

// consumer runs a pump and records what it delivers.
type consumer struct {
	t    *testing.T
	stop func()

	mu      sync.Mutex
	got     []queue.Delivery
	at      []time.Time
	batches []int
}

// consume starts a consumer whose handler answers as decide says for each
// delivery: true is failed. A nil decide fails nothing.
func consume(t *testing.T, p queue.Pump, decide func(d queue.Delivery) bool) *consumer {
	c := &consumer{t: t}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- p.Run(ctx, func(_ context.Context, ds []queue.Delivery) (failed []string) {
			c.record(ds)
			for _, d := range ds {
				if decide != nil && decide(d) {
					failed = append(failed, d.ID)
				}
			}
			return failed
		})
	}()
	var once sync.Once
	c.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(c.stop)
	return c
}

func (c *consumer) record(ds []queue.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, ds...)
	c.batches = append(c.batches, len(ds))
	for range ds {
		c.at = append(c.at, time.Now())
	}
}

// after lets d pass and returns what has been delivered since the start.
func (c *consumer) after(d time.Duration) []queue.Delivery {
	time.Sleep(d) // of the bubble
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]queue.Delivery(nil), c.got...)
}

// expect lets d pass and checks how many deliveries there have been.
func (c *consumer) expect(d time.Duration, n int) []queue.Delivery {
	c.t.Helper()
	got := c.after(d)
	if len(got) != n {
		c.t.Fatalf("after %s: %d deliveries, want %d: %v", d, len(got), n, bodies(got))
	}
	return got
}

func bodies(ds []queue.Delivery) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = fmt.Sprintf("%s (%d)", d.Body, d.Receives)
	}
	return out
}

func send(t *testing.T, q queue.Queue, ms ...queue.Message) {
	t.Helper()
	for i, err := range q.Send(t.Context(), ms) {
		if err != nil {
			t.Fatalf("Send: message %d: %v", i, err)
		}
	}
}

func message(body string) queue.Message {
	return queue.Message{Body: []byte(body), Lane: queue.Normal}
}

func wantDepth(t *testing.T, q queue.Queue, l queue.Lane, visible, inFlight, delayed int) {
	t.Helper()
	synctest.Wait()
	v, f, d, err := q.Depth(t.Context(), l)
	if err != nil {
		t.Fatalf("Depth: %v", err)
	}
	if v != visible || f != inFlight || d != delayed {
		t.Errorf("depth of %s is %d visible, %d in flight, %d delayed; want %d, %d, %d", l, v, f, d, visible, inFlight, delayed)
	}
}
