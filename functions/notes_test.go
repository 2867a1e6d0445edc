package functions_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// notes are the calls that each function made, as the actions and resources
// that it needs a permission for.
type notes struct {
	mu       sync.Mutex
	function string
	made     map[string]bool // function action resource
}

func (n *notes) begin(function string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.function = function
}

func (n *notes) note(action, resource string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.made == nil {
		n.made = map[string]bool{}
	}
	n.made[n.function+" "+action+" "+resource] = true
}

// compare: what was done is granted.
func (n *notes) compare(t *testing.T) {
	t.Helper()
	tr, err := parseTemplate(current(t).template)
	if err != nil {
		t.Fatal(err)
	}
	granted := map[string]bool{}
	for _, f := range tr.ofType(functionType) {
		for _, s := range tr.statements(id(text(tr.props(f, "Role")))) {
			for _, a := range s.Actions {
				for _, r := range s.Resources {
					granted[text(tr.props(f, "Handler"))+" "+a+" "+r] = true
				}
			}
		}
	}
	if len(n.made) < len(order)/4 {
		t.Errorf("only %d different calls were noted", len(n.made))
	}
	for made := range n.made {
		if !granted[made] {
			t.Errorf("the template does not grant what a function does: %s", made)
		}
	}
	n.unused(t, granted)
}

// later are the calls that need minutes, which samples do not take: a replay
// that finds a start whose message was lost, a sweep that finds anything, and the
// end of what has crashed.
var later = []string{
	"execute dynamodb:UpdateItem " + tableARN,
	"deadletter dynamodb:Query " + tableARN,
	"sweeper dynamodb:PutItem " + tableARN,
	"sweeper dynamodb:UpdateItem " + tableARN,
	"sweeper dynamodb:Query " + tableARN + "/index/hist",
}

// unused: what is granted on the table's items was done by some sample. Which
// queue is sent to depends on the execution, so that is not looked at.
func (n *notes) unused(t *testing.T, granted map[string]bool) {
	t.Helper()
	for g := range granted {
		action := strings.Fields(g)[1]
		if slices.Contains([]string{"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Query"}, action) && !n.made[g] && !slices.Contains(later, g) {
			t.Errorf("the template grants what no sample needs: %s", g)
		}
	}
}

const tableARN = "${Table.Arn}"

type notedTable struct {
	table.Table
	notes *notes
}

func (t notedTable) Get(ctx context.Context, keys []table.Key, strong bool) ([]table.Item, error) {
	t.notes.note("dynamodb:BatchGetItem", tableARN)
	return t.Table.Get(ctx, keys, strong)
}

func (t notedTable) Query(ctx context.Context, q table.Query) (table.Page, error) {
	resource := tableARN
	if q.Index != "" {
		resource += "/index/" + q.Index
	}
	t.notes.note("dynamodb:Query", resource)
	return t.Table.Query(ctx, q)
}

func (t notedTable) Write(ctx context.Context, w table.Write) (table.Attrs, error) {
	t.notes.note(writeAction(w), tableARN)
	return t.Table.Write(ctx, w)
}

func (t notedTable) Transact(ctx context.Context, token string, ws []table.Write) error {
	for _, w := range ws {
		t.notes.note(writeAction(w), tableARN)
	}
	return t.Table.Transact(ctx, token, ws)
}

func writeAction(w table.Write) string {
	switch w.Kind {
	case table.Put:
		return "dynamodb:PutItem"
	case table.Update:
		return "dynamodb:UpdateItem"
	case table.Delete:
		return "dynamodb:DeleteItem"
	case table.Check:
		return "dynamodb:ConditionCheckItem"
	}
	return fmt.Sprintf("unknown kind %v", w.Kind)
}

type notedQueue struct {
	queue.Queue
	notes *notes
}

// queueARN is the queue that carries a lane: HighQueue, DeadLetterQueue.
func queueARN(l queue.Lane) string {
	return "${" + strings.Split(sampleQueues[l], "-")[1] + ".Arn}"
}

func (q notedQueue) Send(ctx context.Context, ms []queue.Message) []error {
	for _, m := range ms {
		q.notes.note("sqs:SendMessage", queueARN(m.Lane))
	}
	return q.Queue.Send(ctx, ms)
}

func (q notedQueue) Extend(ctx context.Context, d queue.Delivery, visibility time.Duration) error {
	q.notes.note("sqs:ChangeMessageVisibility", queueARN(d.Lane))
	return q.Queue.Extend(ctx, d, visibility)
}

func (q notedQueue) Depth(ctx context.Context, l queue.Lane) (visible, inFlight, delayed int, err error) {
	q.notes.note("sqs:GetQueueAttributes", queueARN(l))
	return q.Queue.Depth(ctx, l)
}
