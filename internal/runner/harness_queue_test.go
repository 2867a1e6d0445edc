package runner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// queueState holds the messages of all lanes, in order of their arrival.
type queueState struct {
	all    []*message
	serial int
	pad    string         // of every message's id
	peak   map[string]int // most live messages, by pk
	buried map[string]int // messages that went to the dead lane, by pk
}

func newQueue() queueState { return queueState{peak: map[string]int{}, buried: map[string]int{}} }

// message is a stored message. It lives until it is acknowledged.
type message struct {
	record.Message
	id       string
	body     []byte
	lane     queue.Lane
	pk       string
	sent     time.Time
	visible  time.Time // not handed out before
	receives int
	receipt  string // of the latest delivery
}

func (m *message) String() string {
	return fmt.Sprintf("%s %s on %s, e %d, received %d times", m.id, m.Why, m.lane, m.Epoch, m.receives)
}

// lane is how a queue is wired (PROTOCOL 3, Lanes).
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

// add stores a message. Callers hold mu.
func (w *world) add(m queue.Message) *message {
	w.queue.serial++
	hint, err := record.DecodeMessage(m.Body)
	if err != nil {
		w.t.Errorf("a message that nobody can read was sent: %v", err)
	}
	delay := (m.Delay + time.Second - 1).Truncate(time.Second)
	msg := &message{
		Message: hint, id: "m" + strconv.Itoa(w.queue.serial) + w.queue.pad, body: m.Body, lane: m.Lane, pk: hint.PK,
		sent: time.Now(), visible: time.Now().Add(delay),
	}
	w.queue.all = append(w.queue.all, msg)
	live := 0
	for _, other := range w.queue.all {
		if other.pk == msg.pk {
			live++
		}
	}
	w.queue.peak[msg.pk] = max(w.queue.peak[msg.pk], live)
	return msg
}

// double stores a message once more, as a sender that was not answered does.
func (w *world) double(m *message) *message {
	w.mu.Lock()
	defer w.mu.Unlock()
	twin := w.add(queue.Message{Body: m.body, Lane: m.lane})
	twin.visible = m.visible
	w.note("%-8s %s doubles %s", "", twin, m)
	return twin
}

// hold keeps a message from being handed out for a while longer.
func (w *world) hold(m *message, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.visible = time.Now().Add(d)
	w.note("%-8s %s is held up for %s", "", m, d)
}

// bury moves a message to the dead lane, as one that was received too often.
func (w *world) bury(m *message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.receives = wiring[m.lane].receives
	w.receive(m)
}

// receive hands a message out, or buries it when it was received too often:
// then there is no delivery. Callers hold mu.
func (w *world) receive(m *message) (d queue.Delivery, ok bool) {
	wire := wiring[m.lane]
	if wire.receives > 0 && m.receives >= wire.receives {
		w.note("%-8s %s goes to the dead lane", "", m)
		w.queue.buried[m.pk]++
		m.lane, m.receives, m.receipt, m.visible = queue.Dead, 0, "", time.Now()
		return d, false
	}
	m.receives++
	m.receipt = m.id + "/" + strconv.Itoa(m.receives)
	m.visible = time.Now().Add(wire.visibility)
	return queue.Delivery{ID: m.id, Body: m.body, Receives: m.receives, Sent: m.sent, Lane: m.lane, Receipt: m.receipt}, true
}

// acknowledge deletes what was done. What failed stays invisible for the rest
// of its time. An outdated receipt deletes, too: SQS may do so, and it is the
// worse of the two.
func (w *world) acknowledge(p *process, ds []queue.Delivery, failed []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.dead() || w.over() {
		return
	}
	for _, d := range ds {
		i := slices.IndexFunc(w.queue.all, func(m *message) bool { return m.id == d.ID && m.lane == d.Lane })
		if i < 0 {
			continue
		}
		verb := "does"
		if slices.Contains(failed, d.ID) {
			verb = "fails"
		}
		w.note("%-8s %s %s", p.name, verb, w.queue.all[i])
		if verb == "does" {
			w.queue.all = slices.Delete(w.queue.all, i, i+1)
		}
	}
}

// portQueue is the queue as one process sees it.
type portQueue struct{ p *process }

var _ queue.Queue = portQueue{}

// Send implements queue.Queue. The core sends one message at a time.
func (q portQueue) Send(ctx context.Context, ms []queue.Message) []error {
	w := q.p.w
	if len(ms) != 1 || wiring[ms[0].Lane].batch == 0 || ms[0].Delay < 0 || ms[0].Delay > queue.MaxDelay {
		w.t.Errorf("a send that no queue takes: %v", ms)
		return make([]error, len(ms))
	}
	hint, _ := record.DecodeMessage(ms[0].Body)
	err := q.p.effect(ctx, &op{kind: "send", hint: hint, sent: &ms[0]}, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.note("%-8s sends %s in %s", q.p.name, w.add(ms[0]), ms[0].Delay)
		return nil
	})
	if err == nil && ctx.Err() != nil {
		err = errors.Join(queue.ErrUnknown, context.Cause(ctx))
	}
	return []error{err}
}

// Extend implements queue.Queue.
func (q portQueue) Extend(ctx context.Context, d queue.Delivery, visibility time.Duration) error {
	if err := q.p.look(ctx); err != nil {
		return err
	}
	w := q.p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.queue.all {
		if m.receipt == d.Receipt && m.lane == d.Lane && m.visible.After(time.Now()) {
			m.visible = time.Now().Add(visibility)
			w.touch()
		}
	}
	return nil
}

// Depth implements queue.Queue.
func (q portQueue) Depth(ctx context.Context, l queue.Lane) (visible, inFlight, delayed int, err error) {
	if err := q.p.look(ctx); err != nil {
		return 0, 0, 0, err
	}
	w := q.p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.queue.all {
		switch {
		case m.lane != l:
		case !m.visible.After(time.Now()):
			visible++
		case m.receipt != "":
			inFlight++
		default:
			delayed++
		}
	}
	return visible, inFlight, delayed, nil
}
