package sqs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// maxBody is the most that one call may send, all its messages together
// (service quota).
const maxBody = 1 << 20

// maxVisibility is the longest time that a message may stay invisible.
const maxVisibility = 12 * time.Hour

// Config is what a Queue needs. AWS and URLs are required.
type Config struct {
	AWS  aws.Config // region, credentials, HTTP client
	URLs map[queue.Lane]string
	// Endpoint replaces the address of SQS itself: a stand-in. "" is AWS.
	Endpoint string
}

// Queue sends to SQS.
type Queue struct {
	client *sqs.Client
	urls   map[queue.Lane]string
}

var _ queue.Queue = (*Queue)(nil)

// New makes a Queue. It makes no call.
func New(c Config) *Queue {
	client := sqs.NewFromConfig(c.AWS, func(o *sqs.Options) {
		o.Retryer = retryer()
		o.APIOptions = append(o.APIOptions, limitTries)
		if c.Endpoint != "" {
			o.BaseEndpoint = &c.Endpoint
		}
	})
	return &Queue{client: client, urls: c.URLs}
}

// errLane names a lane that has no queue.
func errLane(l queue.Lane) error { return fmt.Errorf("queue: there is no lane %q", l) }

// Send implements queue.Queue. The messages of one lane go together, as far as
// a call may carry them; lanes go side by side.
func (q *Queue) Send(ctx context.Context, ms []queue.Message) []error {
	errs := make([]error, len(ms))
	if len(ms) > queue.MaxBatch {
		for i := range errs {
			errs[i] = fmt.Errorf("queue: at most %d messages at once, not %d", queue.MaxBatch, len(ms))
		}
		return errs
	}
	calls := map[queue.Lane][]*call{}
	for i, m := range ms {
		var e entry
		if e, errs[i] = q.entry(i, m); errs[i] == nil {
			calls[m.Lane] = add(calls[m.Lane], e)
		}
	}
	var wg sync.WaitGroup
	for lane, cs := range calls {
		for _, c := range cs {
			wg.Go(func() { q.send(ctx, lane, c, errs) })
		}
	}
	wg.Wait()
	return errs
}

// entry is one message on its way; index is its place among the caller's.
type entry struct {
	index int
	size  int
	out   types.SendMessageBatchRequestEntry
}

// call is the entries that travel together.
type call struct {
	entries []entry
	size    int
}

// add puts an entry into the last call, or into a new one where it is full.
func add(calls []*call, e entry) []*call {
	if n := len(calls); n == 0 || calls[n-1].size+e.size > maxBody {
		calls = append(calls, &call{})
	}
	c := calls[len(calls)-1]
	c.entries, c.size = append(c.entries, e), c.size+e.size
	return calls
}

func (q *Queue) entry(i int, m queue.Message) (entry, error) {
	switch {
	case q.urls[m.Lane] == "":
		return entry{}, errLane(m.Lane)
	case len(m.Body) == 0:
		return entry{}, errors.New("queue: a message needs a body")
	case m.Delay < 0 || m.Delay > queue.MaxDelay:
		return entry{}, fmt.Errorf("queue: a delay is between 0 and %s, not %s", queue.MaxDelay, m.Delay)
	}
	body, err := Encode(m.Body)
	if err != nil {
		return entry{}, err
	}
	e := entry{index: i, size: len(body), out: types.SendMessageBatchRequestEntry{
		Id: aws.String(strconv.Itoa(i)), MessageBody: &body, DelaySeconds: seconds(m.Delay),
	}}
	if m.Group != "" {
		e.out.MessageGroupId = aws.String(groupID(m.Group))
	}
	return e, nil
}

func (q *Queue) send(ctx context.Context, l queue.Lane, c *call, errs []error) {
	in := &sqs.SendMessageBatchInput{QueueUrl: aws.String(q.urls[l])}
	for _, e := range c.entries {
		in.Entries = append(in.Entries, e.out)
		errs[e.index] = queue.ErrUnknown // until the answer names it
	}
	out, err := q.client.SendMessageBatch(ctx, in)
	if err != nil {
		for _, e := range c.entries {
			errs[e.index] = unsent(err)
		}
		return
	}
	for i := range out.Successful {
		if at, ok := place(out.Successful[i].Id, errs); ok {
			errs[at] = nil
		}
	}
	for i := range out.Failed {
		if at, ok := place(out.Failed[i].Id, errs); ok {
			errs[at] = refused(&out.Failed[i])
		}
	}
}

func place(id *string, errs []error) (int, bool) {
	at, err := strconv.Atoi(aws.ToString(id))
	return at, err == nil && at >= 0 && at < len(errs)
}

// seconds rounds a duration up to what SQS counts in.
func seconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }

// Extend implements queue.Queue.
func (q *Queue) Extend(ctx context.Context, d queue.Delivery, visibility time.Duration) error {
	url := q.urls[d.Lane]
	switch {
	case url == "":
		return errLane(d.Lane)
	case visibility < 0 || visibility > maxVisibility:
		return fmt.Errorf("queue: a visibility is between 0 and %s, not %s", maxVisibility, visibility)
	}
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: &d.Receipt, VisibilityTimeout: seconds(visibility),
	})
	if err == nil || stale(err) {
		return nil
	}
	return unsent(err)
}

// counters are a lane's counts, in the order of Depth's answer.
var counters = []types.QueueAttributeName{
	types.QueueAttributeNameApproximateNumberOfMessages,
	types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
}

// Depth implements queue.Queue.
func (q *Queue) Depth(ctx context.Context, l queue.Lane) (visible, inFlight, delayed int, err error) {
	url := q.urls[l]
	if url == "" {
		return 0, 0, 0, errLane(l)
	}
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: counters})
	if err != nil {
		return 0, 0, 0, unsent(err)
	}
	var n [3]int
	for i, name := range counters {
		if n[i], err = strconv.Atoi(out.Attributes[string(name)]); err != nil {
			return 0, 0, 0, fmt.Errorf("queue: SQS answered no %s", name)
		}
	}
	return n[0], n[1], n[2], nil
}
