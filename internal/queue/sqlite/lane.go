package sqlite

import (
	"container/heap"
	"strconv"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// message is one stored message.
type message struct {
	id       int64
	lane     *lane
	body     []byte // nil: long, and read from the file when it is received
	sent     int64  // Unix ms
	visible  int64  // Unix ms
	receives int
	receipt  uint64 // of the receive it is in flight under; 0: not in flight
	place    int    // in the heap of the hidden
}

// lane is one queue's state in memory. The Queue's lock guards it.
type lane struct {
	queue    *Queue
	name     queue.Lane
	config   Config
	dead     *lane
	visible  fifo
	hidden   hidden
	inFlight int
	pumps    []*Pump // running
	timer    *time.Timer
	armed    int64 // when the timer rings, Unix ms; 0: stopped
}

func newLane(q *Queue, name queue.Lane, c Config) *lane {
	l := &lane{queue: q, name: name, config: c}
	l.timer = time.AfterFunc(time.Hour, l.ring)
	l.timer.Stop()
	return l
}

// show appends the message to the visible ones.
func (l *lane) show(m *message) { l.visible.push(m) }

// hide keeps the message until its visible time.
func (l *lane) hide(m *message) {
	if m.receipt != 0 {
		l.inFlight++
	}
	heap.Push(&l.hidden, m)
}

func (l *lane) unhide(m *message) {
	if m.receipt != 0 {
		l.inFlight--
	}
	heap.Remove(&l.hidden, m.place)
}

// back returns a message whose time has come: to its lane, or after too many
// receives to the dead-letter lane.
func (l *lane) back(m *message) {
	m.receipt = 0
	if c := l.config; l.dead == nil || c.MaxReceives == 0 || m.receives < c.MaxReceives {
		l.show(m)
		return
	}
	m.lane, m.receives = l.dead, 0
	l.dead.show(m)
	l.queue.ready[l.dead] = true
	l.queue.moved(m)
}

// serve returns what is due, starts handlers for what is visible, and sets the
// timer for what is not.
func (l *lane) serve() {
	now := l.queue.now().UnixMilli()
	for len(l.hidden) > 0 && l.hidden[0].visible <= now {
		m := l.hidden[0]
		l.unhide(m)
		l.back(m)
	}
	for _, p := range l.pumps {
		p.feed()
	}
	l.arm(now)
}

func (l *lane) arm(now int64) {
	if l.queue.ended || len(l.hidden) == 0 {
		l.timer.Stop()
		l.armed = 0
		return
	}
	if at := l.hidden[0].visible; at != l.armed {
		l.armed = at
		l.timer.Reset(time.Duration(max(at-now, 1)) * time.Millisecond)
	}
}

// ring is the timer's.
func (l *lane) ring() {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	l.armed = 0
	l.queue.ready[l] = true
	l.queue.look()
}

// take receives up to n visible messages. Their receives are on their way to
// the file when it returns.
func (l *lane) take(n int) []queue.Delivery {
	q := l.queue
	until := q.now().Add(l.config.Visibility).UnixMilli()
	ds := make([]queue.Delivery, 0, n)
	taken := make([]counted, 0, n)
	for range n {
		m := l.visible.pop()
		q.receipts++
		m.receives, m.receipt, m.visible = m.receives+1, q.receipts, until
		l.hide(m)
		taken = append(taken, counted{m.id, m.receives})
		ds = append(ds, queue.Delivery{
			ID: strconv.FormatInt(m.id, 36), Receipt: strconv.FormatUint(m.receipt, 36),
			Body: append([]byte(nil), m.body...), Receives: m.receives,
			Sent: time.UnixMilli(m.sent), Lane: l.name,
		})
	}
	q.file.Later(count(taken))
	return ds
}

// hidden is a heap by visible time; equal ones keep the order they were sent in.
type hidden []*message

func (h hidden) Len() int { return len(h) }
func (h hidden) Less(i, j int) bool {
	if h[i].visible != h[j].visible {
		return h[i].visible < h[j].visible
	}
	return h[i].id < h[j].id
}
func (h hidden) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}
func (h *hidden) Push(x any) {
	m := x.(*message)
	m.place = len(*h)
	*h = append(*h, m)
}
func (h *hidden) Pop() any {
	old := *h
	m := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return m
}

// fifo is a queue that reuses its memory.
type fifo struct {
	items []*message
	head  int
}

func (f *fifo) len() int { return len(f.items) - f.head }

func (f *fifo) push(m *message) {
	if f.head > 64 && f.head > len(f.items)/2 {
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	f.items = append(f.items, m)
}

func (f *fifo) pop() *message {
	m := f.items[f.head]
	f.items[f.head] = nil
	f.head++
	return m
}

// filter keeps the messages for which keep holds, in order.
func (f *fifo) filter(keep func(*message) bool) {
	kept := make([]*message, 0, f.len())
	for _, m := range f.items[f.head:] {
		if keep(m) {
			kept = append(kept, m)
		}
	}
	f.items, f.head = kept, 0
}
