package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
)

// Limits, as on SQS.
const (
	maxBody       = 1 << 20
	maxVisibility = 12 * time.Hour
)

// Defaults of a Config's zero fields.
const (
	DefaultVisibility = 30 * time.Second
	DefaultRetention  = 14 * 24 * time.Hour
)

// Config is one lane's.
type Config struct {
	// Visibility is how long a received message stays invisible.
	Visibility time.Duration
	// MaxReceives is after how many receives without an acknowledgement a
	// message moves to DeadLetter; 0: never.
	MaxReceives int
	// DeadLetter is the lane for such messages; "": they are just received
	// again.
	DeadLetter queue.Lane
	// Retention is how long after it was sent a message is dropped.
	Retention time.Duration
}

// Queue is the driver. It lives as long as its file.
type Queue struct {
	file *sqlitefile.File
	now  func() time.Time

	mu       sync.Mutex
	lanes    map[queue.Lane]*lane
	messages map[int64]*message
	nextID   int64
	receipts uint64
	ready    map[*lane]bool // lanes to look at after the present lot
	purging  *time.Timer
	ended    bool
}

var _ queue.Queue = (*Queue)(nil)

// New opens the lanes on f, making the table where it does not exist. Messages
// of a lane that is not configured are an error: nobody would ever receive them.
func New(f *sqlitefile.File, lanes map[queue.Lane]Config, now func() time.Time) (*Queue, error) {
	q := &Queue{
		file: f, now: now, lanes: map[queue.Lane]*lane{},
		messages: map[int64]*message{}, ready: map[*lane]bool{},
	}
	if now == nil {
		q.now = f.Now
	}
	for name, c := range lanes {
		c.Visibility = cmp.Or(c.Visibility, DefaultVisibility)
		c.Retention = cmp.Or(c.Retention, DefaultRetention)
		q.lanes[name] = newLane(q, name, c)
	}
	for name, l := range q.lanes {
		if err := q.check(l); err != nil {
			return nil, fmt.Errorf("queue: lane %s: %w", name, err)
		}
	}
	if err := q.load(); err != nil {
		return nil, err
	}
	f.OnCommit(q.settle)
	f.OnClose(q.close)
	q.purging = time.AfterFunc(purgeEvery, q.purge)
	return q, nil
}

func (q *Queue) check(l *lane) error {
	c := l.config
	switch {
	case c.Visibility < 0 || c.Visibility > maxVisibility:
		return fmt.Errorf("visibility must be up to %s", maxVisibility)
	case c.MaxReceives < 0:
		return errors.New("the most receives must not be negative")
	case c.Retention < time.Minute:
		return errors.New("retention must be a minute at least")
	case c.DeadLetter == "":
		return nil
	}
	if l.dead = q.lanes[c.DeadLetter]; l.dead == nil || l.dead == l {
		return fmt.Errorf("its dead-letter lane must be another configured one, not %q", c.DeadLetter)
	}
	return nil
}

// Send implements queue.Queue. A message that is itself wrong fails alone.
func (q *Queue) Send(ctx context.Context, ms []queue.Message) []error {
	errs := make([]error, len(ms))
	if len(ms) > queue.MaxBatch {
		for i := range errs {
			errs[i] = fmt.Errorf("queue: at most %d messages in one Send, not %d", queue.MaxBatch, len(ms))
		}
		return errs
	}
	batch := make([]*message, 0, len(ms))
	for i, m := range ms {
		made, err := q.message(m)
		if errs[i] = err; err == nil {
			batch = append(batch, made)
		}
	}
	if len(batch) == 0 {
		return errs
	}
	err := q.file.Do(ctx, func(tx *sqlitefile.Tx) error {
		tx.AfterCommit(func() { q.arrive(batch) })
		return insert(tx, batch)
	})
	for i := range errs {
		if errs[i] == nil {
			errs[i] = port(err)
		}
	}
	return errs
}

// message validates one message and gives it its id.
func (q *Queue) message(m queue.Message) (*message, error) {
	l := q.lanes[m.Lane]
	switch {
	case l == nil:
		return nil, fmt.Errorf("queue: no lane %q", m.Lane)
	case m.Delay < 0 || m.Delay > queue.MaxDelay:
		return nil, fmt.Errorf("queue: delay must be 0 to %s, not %s", queue.MaxDelay, m.Delay)
	case len(m.Body) == 0 || len(m.Body) > maxBody:
		return nil, fmt.Errorf("queue: body must have 1 to %d bytes, not %d", maxBody, len(m.Body))
	}
	delay := (m.Delay + time.Second - 1).Truncate(time.Second)
	sent := q.now().UnixMilli()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.nextID++
	return &message{
		id: q.nextID, lane: l, body: append([]byte(nil), m.Body...),
		sent: sent, visible: sent + delay.Milliseconds(),
	}, nil
}

// arrive makes committed messages known; who receives them is decided when all
// of the lot have arrived, so that they may share a batch.
func (q *Queue) arrive(batch []*message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now().UnixMilli()
	for _, m := range batch {
		q.messages[m.id] = m
		if m.visible <= now {
			m.lane.show(m)
		} else {
			m.lane.hide(m)
		}
		if len(m.body) > bodyKept {
			m.body = nil
		}
		q.ready[m.lane] = true
	}
}

// settle runs after every lot.
func (q *Queue) settle() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.look()
}

// look serves the lanes that changed. The lock is held.
func (q *Queue) look() {
	for len(q.ready) > 0 {
		for l := range q.ready {
			delete(q.ready, l)
			l.serve()
		}
	}
}

// Extend implements queue.Queue. Visibility 0 makes the message visible at
// once; at most 12 hours.
func (q *Queue) Extend(_ context.Context, d queue.Delivery, visibility time.Duration) error {
	if visibility < 0 || visibility > maxVisibility {
		return fmt.Errorf("queue: visibility must be 0 to %s, not %s", maxVisibility, visibility)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.held(d)
	if m == nil {
		return nil
	}
	l := m.lane
	l.unhide(m)
	if visibility == 0 {
		l.back(m)
	} else {
		m.visible = q.now().Add(visibility).UnixMilli()
		l.hide(m)
	}
	q.ready[l] = true
	q.look()
	return nil
}

// held is the message in flight under d's receipt, nil if there is none. The
// lock is held.
func (q *Queue) held(d queue.Delivery) *message {
	id, err := strconv.ParseInt(d.ID, 36, 64)
	if err != nil {
		return nil
	}
	m := q.messages[id]
	if m == nil || m.receipt == 0 || strconv.FormatUint(m.receipt, 36) != d.Receipt {
		return nil
	}
	return m
}

// Depth implements queue.Queue; exact.
func (q *Queue) Depth(_ context.Context, name queue.Lane) (visible, inFlight, delayed int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[name]
	if l == nil {
		return 0, 0, 0, fmt.Errorf("queue: no lane %q", name)
	}
	return l.visible.len(), l.inFlight, len(l.hidden) - l.inFlight, nil
}

func (q *Queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.purging.Stop()
	for _, l := range q.lanes {
		l.timer.Stop()
	}
}

// port translates the file's errors into the port's.
func port(err error) error {
	switch {
	case errors.Is(err, sqlitefile.ErrUnknown):
		return fmt.Errorf("%w: %w", queue.ErrUnknown, err)
	case errors.Is(err, sqlitefile.ErrBusy):
		return fmt.Errorf("%w: %w", queue.ErrBusy, err)
	}
	return err
}
