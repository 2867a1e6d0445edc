package sim

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// queueState holds the messages of all lanes, in order of their arrival.
type queueState struct {
	lanes  map[queue.Lane][]*message
	serial int
}

type message struct {
	id       string
	body     []byte
	lane     queue.Lane
	origin   queue.Lane // before the dead lane
	pk       string
	sent     time.Duration
	meant    time.Duration // when its sender wanted it to be handed out
	visible  time.Duration // not handed out before
	receives int
	receipt  string // of the latest delivery; "" before the first
}

// lane is how a queue is wired (PROTOCOL, Lanes).
type lane struct {
	batch      int
	visibility time.Duration
	timeout    time.Duration
	receives   int // then the message goes to the dead lane; 0: never
}

var wiring = map[queue.Lane]lane{
	queue.High:   {10, 90 * time.Second, 60 * time.Second, 5},
	queue.Normal: {10, 90 * time.Second, 60 * time.Second, 5},
	queue.Low:    {10, 90 * time.Second, 60 * time.Second, 5},
	queue.Solo:   {1, 960 * time.Second, 900 * time.Second, 5},
	queue.Dead:   {10, 90 * time.Second, 60 * time.Second, 0},
}

var laneOrder = []queue.Lane{queue.High, queue.Normal, queue.Low, queue.Solo, queue.Dead}

// add stores a message. Callers hold mu.
func (w *world) addMessage(m queue.Message, delay time.Duration) *message {
	w.queue.serial++
	pk := ""
	if r, err := record.DecodeMessage(m.Body); err == nil {
		pk = r.PK
	}
	msg := &message{
		id: "m" + strconv.Itoa(w.queue.serial), body: m.Body, lane: m.Lane, pk: pk,
		sent: w.since(), meant: w.since() + m.Delay, visible: w.since() + delay,
	}
	w.queue.lanes[m.Lane] = append(w.queue.lanes[m.Lane], msg)
	w.poke()
	return msg
}

// remove deletes a message. Callers hold mu.
func (s *queueState) remove(m *message) {
	list := s.lanes[m.lane]
	for i, x := range list {
		if x == m {
			s.lanes[m.lane] = append(list[:i:i], list[i+1:]...)
			return
		}
	}
}

// restart makes what was in flight visible at once, as the embedded queue does
// when its file is opened. Callers hold mu.
func (s *queueState) restart(now time.Duration) {
	for _, l := range laneOrder {
		for _, m := range s.lanes[l] {
			if m.receipt != "" {
				m.visible, m.receipt = min(m.visible, now), ""
			}
		}
	}
}

// simQueue is one process's view of the queue.
type simQueue struct {
	w *world
	p *process
}

var _ queue.Queue = simQueue{}

// Send implements queue.Queue.
func (q simQueue) Send(ctx context.Context, ms []queue.Message) []error {
	var h uint64 = 3
	for _, m := range ms {
		h = mix(mixString(mixString(h, string(m.Body)), string(m.Lane)), uint64(m.Delay))
	}
	c := q.w.enter(ctx, q.p, h)
	w := c.w
	errs := make([]error, len(ms))
	if f := c.sleep(c.latency()); f != passed {
		if f == died {
			return fill(errs, c.hang())
		}
		c.linger()
		return fill(errs, fmt.Errorf("%w: %w", queue.ErrUnknown, context.Cause(c.ctx)))
	}
	w.mu.Lock()
	if c.crashes(crashBeforeSend) {
		c.crash("before a send")
		w.mu.Unlock()
		return fill(errs, c.hang())
	}
	if c.freezes() {
		w.mu.Unlock()
		if c.sleep(time.Microsecond) == died { // until it thaws
			return fill(errs, c.hang())
		}
		w.mu.Lock()
	}
	for i, m := range ms {
		errs[i] = c.send(m)
	}
	if c.crashes(crashAfterSend) {
		c.crash("after a send")
	} else {
		c.freezes()
	}
	w.mu.Unlock()
	switch c.sleep(c.latency() / 2) {
	case died:
		return fill(errs, c.hang())
	case ended:
		c.linger()
		return fill(errs, fmt.Errorf("%w: %w", queue.ErrUnknown, context.Cause(c.ctx)))
	}
	return errs
}

func fill(errs []error, err error) []error {
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// send stores one message, or does what the faults want. Callers hold mu.
func (c *call) send(m queue.Message) error {
	w, d := c.w, &c.dice
	if wiring[m.Lane].batch == 0 || m.Delay < 0 || m.Delay > queue.MaxDelay || len(m.Body) == 0 {
		w.fail("", "send of a message no queue takes: lane %q, delay %s, %d bytes", m.Lane, m.Delay, len(m.Body))
		return queue.ErrBusy
	}
	if w.over() || w.strikes(queueBusy, d) {
		w.trace.add(w, event{c: c, op: "send refused", message: m.Body})
		c.inv.trouble++
		return queue.ErrBusy
	}
	lost := w.strikes(sentUnknown, d)
	if lost && d.chance(0.5) {
		w.trace.add(w, event{c: c, op: "send lost", message: m.Body})
		return queue.ErrUnknown
	}
	delay := (m.Delay + time.Second - 1).Truncate(time.Second)
	if w.strikes(delayed, d) {
		delay += d.between(5*time.Second, 2*time.Minute)
	} else if w.rates[reordered] > 0 && !w.calm && d.chance(w.rates[reordered]) {
		delay += d.between(0, 3*time.Second)
	}
	msg := w.addMessage(m, delay)
	w.trace.add(w, event{c: c, op: "sends", message: m.Body, note: fmt.Sprintf("%s on %s in %s", msg.id, m.Lane, delay)})
	w.checkSend(c, msg)
	if w.strikes(sentTwice, d) {
		twin := w.addMessage(m, delay+d.between(0, time.Minute))
		w.trace.add(w, event{c: c, op: "sent twice", message: m.Body, note: twin.id})
		w.noteExtra(twin.pk)
	}
	if lost {
		w.noteExtra(msg.pk)
		return queue.ErrUnknown
	}
	return nil
}

// Extend implements queue.Queue.
func (q simQueue) Extend(ctx context.Context, d queue.Delivery, visibility time.Duration) error {
	c := q.w.enter(ctx, q.p, mixString(mixString(4, d.ID), d.Receipt))
	w := c.w
	if f := c.sleep(c.latency()); f != passed {
		if f == died {
			return c.hang()
		}
		c.linger()
		return fmt.Errorf("%w: %w", queue.ErrUnknown, context.Cause(c.ctx))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.strikes(queueBusy, &c.dice) {
		c.inv.trouble += 3 // a failed Extend ends the work
		return queue.ErrBusy
	}
	c.inv.extended = true
	for _, m := range w.queue.lanes[d.Lane] {
		if m.id == d.ID && m.receipt == d.Receipt && m.visible > w.since() {
			m.visible = w.since() + visibility
			w.poke()
		}
	}
	return nil
}

// Depth implements queue.Queue.
func (q simQueue) Depth(ctx context.Context, l queue.Lane) (visible, inFlight, waiting int, err error) {
	c := q.w.enter(ctx, q.p, mixString(5, string(l)))
	if err := c.read(); err != nil {
		return 0, 0, 0, queue.ErrBusy
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for _, m := range c.w.queue.lanes[l] {
		switch {
		case m.visible <= c.w.since():
			visible++
		case m.receipt != "":
			inFlight++
		default:
			waiting++
		}
	}
	return visible, inFlight, waiting, nil
}
