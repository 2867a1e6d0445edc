//go:build sam

package functions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"sync"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// pumps stand in for Lambda's event source mappings: SAM polls no queues. Each
// feeds one function from one queue, takes away what the function did not
// report as failed, and leaves the rest to the queue, which brings it back or
// moves it to the dead letters.
type pumps struct {
	wg     sync.WaitGroup
	mu     sync.Mutex
	errors []error
}

type pump struct {
	queue  string // its address
	invoke string // address of the function
	batch  int32
	sqs    *sqs.Client
}

func startPumps(ctx context.Context, s *stand, lambda string) *pumps {
	p := &pumps{}
	for lane, function := range map[queue.Lane]string{
		queue.High: "WorkerFunction", queue.Normal: "WorkerFunction", queue.Low: "WorkerFunction",
		queue.Solo: "SoloFunction", queue.Dead: "DeadletterFunction",
	} {
		one := &pump{
			queue: s.urls[lane], batch: 10, sqs: s.sqs,
			invoke: lambda + "/2015-03-31/functions/" + function + "/invocations",
		}
		if lane == queue.Solo {
			one.batch = 1
		}
		p.wg.Go(func() {
			for ctx.Err() == nil {
				if err := one.turn(ctx); err != nil && ctx.Err() == nil {
					p.mu.Lock()
					p.errors = append(p.errors, fmt.Errorf("%s: %w", lane, err))
					p.mu.Unlock()
					return
				}
			}
		})
	}
	return p
}

// wait returns what went wrong, once all have ended.
func (p *pumps) wait() []error {
	p.wg.Wait()
	return p.errors
}

// turn is one batch: received, worked on, acknowledged in part.
func (p *pump) turn(ctx context.Context) error {
	out, err := p.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &p.queue, MaxNumberOfMessages: p.batch, WaitTimeSeconds: 2,
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
	})
	if err != nil || len(out.Messages) == 0 {
		return err
	}
	failed, err := p.work(ctx, out.Messages)
	if err != nil {
		return err
	}
	for _, m := range out.Messages {
		if failed[*m.MessageId] {
			continue
		}
		if _, err := p.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &p.queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
			return err
		}
	}
	return nil
}

func (p *pump) work(ctx context.Context, ms []sqstypes.Message) (failed map[string]bool, err error) {
	var e events.SQSEvent
	failed = map[string]bool{}
	for _, m := range ms {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, Md5OfBody: aws.ToString(m.MD5OfBody),
			Attributes: m.Attributes, EventSource: "aws:sqs", AWSRegion: "eu-central-1",
			EventSourceARN: "arn:aws:sqs:eu-central-1:000000000000:" + path.Base(p.queue),
		})
		failed[*m.MessageId] = true // unless the function answers
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.invoke, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	var answer struct {
		BatchItemFailures []events.SQSBatchItemFailure `json:"batchItemFailures"`
	}
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("X-Amz-Function-Error") != "" ||
		json.Unmarshal(raw, &answer) != nil || answer.BatchItemFailures == nil {
		return failed, err // the whole batch comes back
	}
	clear(failed)
	for _, f := range answer.BatchItemFailures {
		failed[f.ItemIdentifier] = true
	}
	return failed, nil
}
