//go:build aws

package awsproof

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/queue/sqs"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/standintest"
	"github.com/seed-926d1ba8/stepline/internal/table/dynamodb"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// fickle answers with a fault while it is told to.
type fickle struct {
	sdk.HTTPClient
	status int
	body   string
	on     atomic.Bool
	met    atomic.Int64
}

func (f *fickle) Do(req *http.Request) (*http.Response, error) {
	if !f.on.Load() {
		return f.HTTPClient.Do(req)
	}
	f.met.Add(1)
	return &http.Response{
		StatusCode: f.status, Request: req, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(strings.NewReader(f.body)),
	}, nil
}

// A DynamoDB that throttles and an SQS that fails are met again and again within
// the deadline; then the message counts as failed and comes back, and the
// execution goes on as if nothing had been.
func TestBusyStoresFailMessagesOnly(t *testing.T) {
	t.Parallel()
	tables := &fickle{HTTPClient: standintest.AWS().HTTPClient, status: 400, body: `{"__type":"x#ThrottlingException","message":"slow down"}`}
	queues := &fickle{HTTPClient: standintest.AWS().HTTPClient, status: 500, body: `{"__type":"x#InternalFailure"}`}
	tcfg, qcfg := standintest.AWS(), standintest.AWS()
	tcfg.HTTPClient, qcfg.HTTPClient = tables, queues
	tab := dynamodb.New(dynamodb.Config{Name: standintest.NewTable(t, standintest.AWS()), AWS: tcfg, Endpoint: standintest.Tables(t)})
	q := sqs.New(sqs.Config{AWS: qcfg, Endpoint: standintest.Queues(t), URLs: standintest.NewQueues(t, standintest.AWS(), standintest.Queues(t), lanes)})
	services := serve(t, tab, q)
	doc, err := workflow.Parse([]byte("name: nap\nsteps:\n  - {id: nap, type: wait, duration: 4s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := services.Registry.Put(t.Context(), tenant, "nap", doc); err != nil {
		t.Fatal(err)
	}
	s, err := services.Runner.Start(t.Context(), runner.StartRequest{Tenant: tenant, Workflow: "nap", Input: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	receives := 0
	err = q.Pump(queue.Normal, sqs.PumpConfig{Timeout: 30 * time.Second}).Run(ctx, func(hctx context.Context, ds []queue.Delivery) []string {
		receives++
		tables.on.Store(receives == 1) // throttled at the lease
		queues.on.Store(receives == 2) // no timer can be sent
		failed := services.Runner.Handle(hctx, ds)
		tables.on.Store(false)
		queues.on.Store(false)
		if want := receives <= 2; (len(failed) == 1) != want {
			t.Errorf("receive %d: failed %v, want it to fail: %v", receives, failed, want)
		}
		e, err := services.History.Get(hctx, tenant, s.ID)
		if err != nil || e.Status == record.Failed {
			t.Errorf("receive %d: %v, %v", receives, e, err)
		}
		if err != nil || e.Status.Terminal() {
			cancel()
		}
		return failed
	})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := services.History.Get(t.Context(), tenant, s.ID); err != nil || e.Status != record.Succeeded {
		t.Errorf("%v, %v; want it succeeded after %d receives", e, err, receives)
	}
	if tables.met.Load() < 6 || queues.met.Load() < 6 {
		t.Errorf("DynamoDB was asked %d times, SQS %d times; they are to be asked again", tables.met.Load(), queues.met.Load())
	}
}
