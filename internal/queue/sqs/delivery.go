package sqs

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// The attributes of a received message that the port needs.
const (
	receiveCount  = types.MessageSystemAttributeNameApproximateReceiveCount
	sentTimestamp = types.MessageSystemAttributeNameSentTimestamp
)

// NewDelivery is a received message as the port has it. receives and sent are
// SQS's attributes ApproximateReceiveCount and SentTimestamp, as they come.
func NewDelivery(l queue.Lane, id, body, receipt, receives, sent string) (queue.Delivery, error) {
	count, errCount := strconv.Atoi(receives)
	at, errSent := strconv.ParseInt(sent, 10, 64)
	if err := cmp.Or(errCount, errSent); err != nil {
		return queue.Delivery{}, fmt.Errorf("queue: message %s cannot be read: %w", id, err)
	}
	return queue.Delivery{ID: id, Body: Decode(body), Receives: count, Sent: time.UnixMilli(at), Lane: l, Receipt: receipt}, nil
}
