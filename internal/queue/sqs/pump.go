package sqs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/semaphore"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// Times of the receive loop.
const (
	poll      = 20 * time.Second // the longest a receive waits for messages
	afterFail = time.Second      // how long the loop rests after a failed one
	settle    = 10 * time.Second // how long an acknowledgement may take
)

// PumpConfig says how a lane is fed to its handler.
type PumpConfig struct {
	// Batch is the most deliveries of one invocation, 1 to 10; 0 is 1.
	Batch int
	// Window is how long an invocation waits for a full batch; 0: not at all.
	Window time.Duration
	// Poll is how long a receive waits for messages, whole seconds; 0 is 20 s.
	// A server may still give messages to a receiver that has died while it
	// waited: where processes are killed the wait is to be short.
	Poll time.Duration
	// Concurrency is the most deliveries in hand at once, over all
	// invocations; 0 is 64.
	Concurrency int
	// Timeout is the deadline of one invocation's context; 0: none.
	Timeout time.Duration
	// Drain is how long after Run's context has ended the handlers' contexts
	// go on; 0: as long as they take.
	Drain time.Duration
	// OnPanic hears of a handler's panic, after which the whole batch counts
	// as failed; nil: nobody does.
	OnPanic func(value any, stack []byte)
	// OnError hears of calls of SQS that failed; nil: nobody does. What was
	// not acknowledged comes back.
	OnError func(error)
}

// Pump feeds one handler from one lane.
type Pump struct {
	queue  *Queue
	lane   queue.Lane
	config PumpConfig
	slots  *semaphore.Weighted
	runs   atomic.Bool
}

var _ queue.Pump = (*Pump)(nil)

// Pump makes the pump of a lane. It panics for a lane that is not configured or
// a batch beyond queue.MaxBatch: both are mistakes of the program.
func (q *Queue) Pump(l queue.Lane, c PumpConfig) *Pump {
	c.Batch, c.Concurrency, c.Poll = cmp.Or(c.Batch, 1), cmp.Or(c.Concurrency, 64), cmp.Or(c.Poll, poll)
	if q.urls[l] == "" || c.Batch < 1 || c.Batch > queue.MaxBatch || c.Concurrency < c.Batch {
		panic(fmt.Sprintf("queue: pump of lane %q with batch %d and concurrency %d", l, c.Batch, c.Concurrency))
	}
	return &Pump{queue: q, lane: l, config: c, slots: semaphore.NewWeighted(int64(c.Concurrency))}
}

// Run implements queue.Pump. It returns nil once its context has ended and the
// batches in hand are done.
func (p *Pump) Run(ctx context.Context, h queue.Handler) error {
	if !p.runs.CompareAndSwap(false, true) {
		return errors.New("queue: the pump runs already")
	}
	defer p.runs.Store(false)
	// Handlers outlive ctx: what they have begun they finish, for Drain.
	hctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var busy sync.WaitGroup
	for p.slots.Acquire(ctx, int64(p.config.Batch)) == nil {
		ds := p.batch(ctx)
		if free := p.config.Batch - len(ds); free > 0 {
			p.slots.Release(int64(free))
		}
		if len(ds) > 0 {
			busy.Go(func() { p.invoke(hctx, h, ds) })
		}
		if ctx.Err() != nil {
			break
		}
	}
	if p.config.Drain > 0 {
		defer time.AfterFunc(p.config.Drain, cancel).Stop()
	}
	busy.Wait()
	return nil
}

// batch receives until there is a batch, or the window of the first delivery
// is over. It may be empty.
func (p *Pump) batch(ctx context.Context) []queue.Delivery {
	ds := p.receive(ctx, p.config.Batch, p.config.Poll)
	if len(ds) == 0 || p.config.Window == 0 {
		return ds
	}
	until := time.Now().Add(p.config.Window)
	for len(ds) < p.config.Batch && ctx.Err() == nil {
		left := time.Until(until)
		if left <= 0 {
			break
		}
		more := p.receive(ctx, p.config.Batch-len(ds), left)
		ds = append(ds, more...)
	}
	return ds
}

// receive asks for up to n messages, waiting for the first of them. SQS waits
// whole seconds.
func (p *Pump) receive(ctx context.Context, n int, wait time.Duration) []queue.Delivery {
	url := p.queue.urls[p.lane]
	out, err := p.queue.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: int32(n), WaitTimeSeconds: seconds(wait),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{receiveCount, sentTimestamp},
	})
	if err != nil {
		if ctx.Err() == nil {
			p.report(err)
			rest(ctx, afterFail)
		}
		return nil
	}
	ds := make([]queue.Delivery, 0, len(out.Messages))
	for i := range out.Messages {
		m := &out.Messages[i]
		d, err := NewDelivery(p.lane, aws.ToString(m.MessageId), aws.ToString(m.Body), aws.ToString(m.ReceiptHandle),
			m.Attributes[string(receiveCount)], m.Attributes[string(sentTimestamp)])
		if err != nil { // left alone, it comes back and is a dead letter in the end
			p.report(err)
			continue
		}
		ds = append(ds, d)
	}
	return ds
}

// invoke handles one batch and acknowledges what did not fail.
func (p *Pump) invoke(ctx context.Context, h queue.Handler, ds []queue.Delivery) {
	defer p.slots.Release(int64(len(ds)))
	if p.config.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.config.Timeout)
		defer cancel()
	}
	failed := p.call(ctx, h, ds)
	done := slices.DeleteFunc(slices.Clone(ds), func(d queue.Delivery) bool { return failed[d.ID] })
	if len(done) > 0 {
		p.acknowledge(context.WithoutCancel(ctx), done)
	}
}

// call returns which deliveries failed. After a panic or an id that was not
// delivered the whole batch has: what the handler did is not known then.
func (p *Pump) call(ctx context.Context, h queue.Handler, ds []queue.Delivery) (failed map[string]bool) {
	all := make(map[string]bool, len(ds))
	for _, d := range ds {
		all[d.ID] = true
	}
	failed = all
	defer func() {
		if value := recover(); value != nil && p.config.OnPanic != nil {
			p.config.OnPanic(value, debug.Stack())
		}
	}()
	some := map[string]bool{}
	for _, id := range h(ctx, slices.Clone(ds)) {
		if !all[id] {
			return all
		}
		some[id] = true
	}
	failed = some
	return failed
}

func (p *Pump) acknowledge(ctx context.Context, ds []queue.Delivery) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	url := p.queue.urls[p.lane]
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &url}
	for i, d := range ds {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &d.Receipt})
	}
	out, err := p.queue.client.DeleteMessageBatch(ctx, in)
	if err != nil {
		p.report(err)
		return
	}
	for i := range out.Failed {
		if !out.Failed[i].SenderFault { // else the receipt is stale: another has the message
			p.report(refused(&out.Failed[i]))
		}
	}
}

func (p *Pump) report(err error) {
	if p.config.OnError != nil {
		p.config.OnError(err)
	}
}

func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
