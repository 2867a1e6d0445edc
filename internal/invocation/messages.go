package invocation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

const sqsSource = "aws:sqs"

// Lanes maps names of queues to the lanes they carry.
type Lanes map[string]queue.Lane

// LanesOf is Lanes by the addresses under which the queues are sent to.
func LanesOf(urls map[queue.Lane]string) Lanes {
	l := Lanes{}
	for lane, address := range urls {
		l[address[strings.LastIndexByte(address, '/')+1:]] = lane
	}
	return l
}

// of is the lane of the queue with an ARN, whose last part is the queue's name.
func (l Lanes) of(arn string) (queue.Lane, bool) {
	lane, ok := l[arn[strings.LastIndexByte(arn, ':')+1:]]
	return lane, ok
}

// Messages feeds h with batches of SQS records and answers which of them must
// come back. A record of a queue that is none of the lanes comes back: it would
// be worked on by the wrong rules. An event that is no batch fails.
func Messages(h queue.Handler, lanes Lanes, log *slog.Logger) lambda.Handler {
	return &messagesAdapter{h, lanes, log}
}

type messagesAdapter struct {
	handler queue.Handler
	lanes   Lanes
	log     *slog.Logger
}

func (a *messagesAdapter) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	ctx, _, end := begin(ctx)
	defer end()
	var e events.SQSEvent
	if err := json.Unmarshal(payload, &e); err != nil || len(e.Records) == 0 {
		err := errors.New("the event is no batch of SQS records")
		a.log.ErrorContext(ctx, err.Error())
		return nil, err
	}
	var ds []queue.Delivery
	failures := []events.SQSBatchItemFailure{}
	for _, m := range e.Records {
		d, err := a.delivery(m)
		if err != nil {
			a.log.ErrorContext(ctx, "a record cannot be taken", slog.String("message", m.MessageId), slog.Any("error", err))
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			continue
		}
		ds = append(ds, d)
	}
	if len(ds) > 0 {
		for _, id := range a.handler(ctx, ds) {
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: id})
		}
	}
	return json.Marshal(events.SQSEventResponse{BatchItemFailures: failures})
}

func (a *messagesAdapter) delivery(m events.SQSMessage) (queue.Delivery, error) {
	if m.EventSource != sqsSource {
		return queue.Delivery{}, fmt.Errorf("it comes from %q, not from %s", m.EventSource, sqsSource)
	}
	lane, ok := a.lanes.of(m.EventSourceARN)
	if !ok {
		return queue.Delivery{}, fmt.Errorf("%s is no queue of this function; the variables STEPLINE_QUEUE_… name those", m.EventSourceARN)
	}
	receives, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil {
		return queue.Delivery{}, errors.New("it has no ApproximateReceiveCount")
	}
	sent, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
	if err != nil {
		return queue.Delivery{}, errors.New("it has no SentTimestamp")
	}
	return queue.Delivery{
		ID: m.MessageId, Body: []byte(m.Body), Receives: receives,
		Sent: time.UnixMilli(sent), Lane: lane, Receipt: m.ReceiptHandle,
	}, nil
}
