//go:build aws

package awsproof

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
	"github.com/seed-926d1ba8/stepline/internal/app"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/queue/sqs"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/secret"
	"github.com/seed-926d1ba8/stepline/internal/standintest"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/dynamodb"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// A five-step execution takes 8 write units without an idempotency key and 9
// with one, and at most one read unit: by the meter, and by the sum of what
// DynamoDB Local says in its answers.
func TestUnitsOfFiveSteps(t *testing.T) {
	t.Parallel()
	wire := &capacity{HTTPClient: standintest.AWS().HTTPClient}
	cfg := standintest.AWS()
	cfg.HTTPClient = wire
	tab := dynamodb.New(dynamodb.Config{
		Name: standintest.NewTable(t, standintest.AWS()), AWS: cfg, Endpoint: standintest.Tables(t),
		OnMismatch: func(m dynamodb.Mismatch) {
			if m.Consumed > 0 { // DynamoDB Local counts nothing for a query that finds nothing
				t.Errorf("units differ: %+v", m)
			}
		},
	})
	q := sqs.New(sqs.Config{AWS: standintest.AWS(), Endpoint: standintest.Queues(t), URLs: standintest.NewQueues(t, standintest.AWS(), standintest.Queues(t), lanes)})
	services := serve(t, tab, q)
	called := calledtest.New(t, 0)
	doc, err := workflow.Parse([]byte(calledtest.Five("five", called.URL, brief)))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := services.Registry.Put(t.Context(), tenant, "five", doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, key string
		write     float64
	}{
		{"warming up", "", 8},
		{"without a key", "", 8},
		{"with a key", "order 1", 9},
	} {
		wire.reset()
		meter := &table.Meter{}
		ctx := table.WithMeter(t.Context(), meter)
		s, err := services.Runner.Start(ctx, runner.StartRequest{Tenant: tenant, Workflow: "five", Input: []byte(`{}`), Key: c.key, Body: sha256.Sum256(nil)})
		if err != nil {
			t.Fatal(err)
		}
		work(t, services, q, meter)
		writes, reads := wire.units()
		if e, err := services.History.Get(t.Context(), tenant, s.ID); err != nil || e.Status != "succeeded" {
			t.Fatalf("%s: %v, %v", c.what, e, err)
		}
		if c.what == "warming up" {
			continue
		}
		if meter.WriteUnits() != c.write || meter.ReadUnits() > 1 {
			t.Errorf("%s: the meter counts %v write and %v read units, want %v and at most 1", c.what, meter.WriteUnits(), meter.ReadUnits(), c.write)
		}
		if writes != meter.WriteUnits() || reads != meter.ReadUnits() {
			t.Errorf("%s: DynamoDB Local says %v write and %v read units, the meter %v and %v", c.what, writes, reads, meter.WriteUnits(), meter.ReadUnits())
		}
		t.Logf("%s: %v write units and %v read units, by the meter and by DynamoDB Local", c.what, writes, reads)
	}
}

// serve makes the services on these drivers.
func serve(t *testing.T, tab table.Table, q queue.Queue) *app.Services {
	t.Helper()
	store, err := secret.NewEnv(func(string) string { return "" }, "")
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := secret.NewResolver(store, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	services, err := app.New(app.Ports{
		Table: tab, Queue: q, HTTP: step.NewHTTP(step.HTTPConfig{Now: time.Now, Secrets: secrets}), Secrets: secrets,
		Now: time.Now, Incarnation: "units",
	}, app.Config{Keys: [][]byte{[]byte(strings.Repeat("k", 40))}})
	if err != nil {
		t.Fatal(err)
	}
	return services
}

// work handles one message of the normal lane.
func work(t *testing.T, s *app.Services, q *sqs.Queue, meter *table.Meter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := q.Pump(queue.Normal, sqs.PumpConfig{Timeout: 30 * time.Second}).Run(ctx, func(hctx context.Context, ds []queue.Delivery) []string {
		defer cancel()
		return s.Runner.Handle(table.WithMeter(hctx, meter), ds)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// capacity sums up what the answers of DynamoDB say was consumed.
type capacity struct {
	sdk.HTTPClient

	mu            sync.Mutex
	writes, reads float64
}

func (c *capacity) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes, c.reads = 0, 0
}

func (c *capacity) units() (writes, reads float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes, c.reads
}

func (c *capacity) Do(req *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	res, err := c.HTTPClient.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	var out struct {
		ConsumedCapacity struct{ CapacityUnits float64 }
	}
	_ = json.Unmarshal(body, &out) // a batch's is a list, and none is made here
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.HasSuffix(operation, "Item") && operation != "GetItem" {
		c.writes += out.ConsumedCapacity.CapacityUnits
	} else {
		c.reads += out.ConsumedCapacity.CapacityUnits
	}
	return res, err
}
