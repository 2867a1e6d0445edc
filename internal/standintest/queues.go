package standintest

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// Lane is how a lane's queue is made.
type Lane struct {
	Visibility  time.Duration // whole seconds
	MaxReceives int           // before a message moves to Dead; 0: never
}

var queues atomic.Int64

// NewQueues makes an empty queue for each lane and returns their addresses.
// They go with the test.
func NewQueues(t testing.TB, cfg aws.Config, endpoint string, lanes map[queue.Lane]Lane) map[queue.Lane]string {
	t.Helper()
	n := queues.Add(1)
	client := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = &endpoint })
	urls, deadARN := map[queue.Lane]string{}, ""
	create := func(l queue.Lane) {
		name := fmt.Sprintf("q-%s-%d-%s", process, n, l)
		attributes := map[string]string{"VisibilityTimeout": strconv.Itoa(int(lanes[l].Visibility / time.Second))}
		if most := lanes[l].MaxReceives; most > 0 {
			attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, deadARN, most)
		}
		out, err := client.CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		urls[l] = aws.ToString(out.QueueUrl)
		if l == queue.Dead {
			deadARN = "arn:aws:sqs:us-east-1:000000000000:" + name
		}
		t.Cleanup(func() {
			if _, err := client.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl}); err != nil {
				t.Error(err)
			}
		})
	}
	if _, ok := lanes[queue.Dead]; ok {
		create(queue.Dead) // first: the others name it
	}
	for l := range lanes {
		if l != queue.Dead {
			create(l)
		}
	}
	return urls
}
