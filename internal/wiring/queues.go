package wiring

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

const (
	queueKind    = "AWS::SQS::Queue"
	functionKind = "AWS::Serverless::Function"
)

// lanes are the lanes with the queue that carries each and the function that
// must consume it, in the order in which mistakes are reported.
var lanes = []struct {
	lane     queue.Lane
	queue    string
	consumer string
}{
	{queue.High, "HighQueue", "worker"},
	{queue.Normal, "NormalQueue", "worker"},
	{queue.Low, "LowQueue", "worker"},
	{queue.Solo, "SoloQueue", "worker"},
	{queue.Dead, "DeadLetterQueue", "deadletter"},
}

// laneOf is the lane that a queue carries, "" for none.
func laneOf(id string) queue.Lane {
	for _, l := range lanes {
		if l.queue == id {
			return l.lane
		}
	}
	return ""
}

func laneQueues() string {
	names := make([]string, len(lanes))
	for i, l := range lanes {
		names[i] = l.queue
	}
	return strings.Join(names, ", ")
}

// AWS's defaults and limits for queues, in seconds.
const (
	defaultVisibility = 30
	maxVisibility     = 12 * 60 * 60
	defaultRetention  = 4 * 24 * 60 * 60
	minRetention      = 60
	maxRetention      = 14 * 24 * 60 * 60
	maxReceives       = 1000
)

// readQueues reads every queue as a lane that has no consumer yet. Queues that
// are not declared are found by their first user, or by checkLanes.
func readQueues(t *template, w *Wiring) error {
	for _, r := range t.ofKind(queueKind) {
		lane := laneOf(r.id)
		if lane == "" {
			return t.errorAt(r.node, r.id, "is no lane of this version; the lanes' queues are %s", laneQueues())
		}
		l, err := t.readQueue(r)
		if err != nil {
			return err
		}
		w.Lanes[lane] = l
	}
	return nil
}

func (t *template) readQueue(r *resource) (Lane, error) {
	l := Lane{Queue: r.id}
	if err := t.known(r.props, r.id, "the queue", "VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy",
		"QueueName", "SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "RedriveAllowPolicy",
		"ReceiveMessageWaitTimeSeconds", "Tags"); err != nil {
		return l, err
	}
	visibility, err := t.number(r.props, "VisibilityTimeout", r.id, defaultVisibility, 1, maxVisibility)
	if err != nil {
		return l, err
	}
	retention, err := t.number(r.props, "MessageRetentionPeriod", r.id, defaultRetention, minRetention, maxRetention)
	if err != nil {
		return l, err
	}
	l.Visibility, l.Retention = seconds(visibility), seconds(retention)
	if policy, ok := child(r.props, "RedrivePolicy"); ok {
		err := t.readRedrive(&l, r, policy)
		return l, err
	}
	if laneOf(r.id) != queue.Dead {
		return l, t.errorAt(r.node, r.id, "has no RedrivePolicy: a message that cannot be handled would return for ever; "+
			"add {deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn, maxReceiveCount: 5}")
	}
	return l, nil
}

func (t *template) readRedrive(l *Lane, r *resource, policy *yaml.Node) error {
	if err := t.known(policy, r.id, "RedrivePolicy", "deadLetterTargetArn", "maxReceiveCount"); err != nil {
		return err
	}
	if laneOf(r.id) == queue.Dead {
		return t.errorAt(policy, r.id, "has a RedrivePolicy, but nothing may leave the dead-letter queue unhandled; remove it")
	}
	target, err := t.queueNamed(mustChild(policy, "deadLetterTargetArn"), r.id, "RedrivePolicy")
	if err != nil {
		return err
	}
	if l.DeadLetter = laneOf(target); l.DeadLetter != queue.Dead {
		return t.errorAt(policy, r.id, "RedrivePolicy names %s; what was received too often goes to DeadLetterQueue", target)
	}
	l.MaxReceives, err = t.number(policy, "maxReceiveCount", r.id, 0, 1, maxReceives)
	if err == nil && l.MaxReceives == 0 {
		err = t.errorAt(policy, r.id, "RedrivePolicy has no maxReceiveCount")
	}
	return err
}

// checkLanes makes sure that each lane has its queue and the consumer that knows
// it.
func checkLanes(t *template, w *Wiring) error {
	for _, want := range lanes {
		l, ok := w.Lanes[want.lane]
		if !ok {
			return &Error{File: t.file, Resource: want.queue, Detail: "is not declared; it is the " + string(want.lane) + " lane"}
		}
		if l.Consumer == "" {
			return t.errorAt(t.resources[l.Queue].node, l.Queue, "has no consumer: the function with Handler %s needs an SQS event for it", want.consumer)
		}
		if l.Consumer != want.consumer {
			return t.errorAt(l.consumerNode, l.Queue, "is consumed by functions/%s; the %s lane belongs to functions/%s", l.Consumer, want.lane, want.consumer)
		}
	}
	if solo := w.Lanes[queue.Solo]; solo.Batch != 1 {
		return t.errorAt(solo.consumerNode, solo.Queue, "is consumed with BatchSize %d; the solo lane runs one execution at a time", solo.Batch)
	}
	return nil
}

// leaseGrace is the runner's default of STEPLINE_LEASE_GRACE.
const leaseGrace = 5 * time.Second

// checkVisibility makes sure that each lane's visibility timeout outlives the
// consumer's invocation and the lease that it holds, which ends a grace after the
// invocation's deadline. A message that returns before is one of the known ways
// to get stuck.
func checkVisibility(t *template, w *Wiring) error {
	for _, want := range lanes {
		l := w.Lanes[want.lane]
		f, _ := w.Function(l.Consumer)
		grace, err := t.grace(f)
		if err != nil {
			return err
		}
		if l.Visibility <= l.Timeout+grace {
			return t.errorAt(t.resources[l.Queue].node, l.Queue, "has VisibilityTimeout %d; it must exceed its consumer's Timeout of %d and STEPLINE_LEASE_GRACE of %s together, or messages return while their lease is held",
				int(l.Visibility/time.Second), int(l.Timeout/time.Second), grace)
		}
	}
	return nil
}

// grace is how long a function's leases last beyond its invocations.
func (t *template) grace(f Function) (time.Duration, error) {
	s := f.Env["STEPLINE_LEASE_GRACE"]
	if s == "" {
		return leaseGrace, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, t.errorAt(t.resources[f.ID].node, f.ID, "has STEPLINE_LEASE_GRACE %q; a duration such as 5s is expected", s)
	}
	return d, nil
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
