package aws

import (
	"context"
	crand "crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/seed-926d1ba8/stepline/internal/app"
	"github.com/seed-926d1ba8/stepline/internal/queue/sqs"
	"github.com/seed-926d1ba8/stepline/internal/secret"
	"github.com/seed-926d1ba8/stepline/internal/secret/ssm"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table/dynamodb"
)

// Cloud is the services on DynamoDB and SQS.
type Cloud struct {
	*app.Services
	Table *dynamodb.Table
	Queue *sqs.Queue

	config Config
	log    *slog.Logger
	told   sync.Map // operations whose units were not as computed
}

// Open makes the services. It makes no call.
func Open(ctx context.Context, c Config, now func() time.Time, log *slog.Logger) (*Cloud, error) {
	// The region comes from the configuration, the credentials from wherever
	// the SDK finds them; on Lambda from the environment.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(c.Region), config.WithHTTPClient(client()))
	if err != nil {
		return nil, err
	}
	return open(cfg, c, now, log)
}

func open(cfg sdk.Config, c Config, now func() time.Time, log *slog.Logger) (*Cloud, error) {
	cloud := &Cloud{config: c, log: log}
	cloud.Table = dynamodb.New(dynamodb.Config{Name: c.Table, AWS: cfg, Endpoint: c.TableEndpoint, OnMismatch: cloud.mismatch})
	cloud.Queue = sqs.New(sqs.Config{AWS: cfg, URLs: c.Queues, Endpoint: c.QueueEndpoint})
	secrets, err := secretsOf(cfg, c, now, log)
	if err != nil {
		return nil, err
	}
	machines := step.NewStateMachines(cfg, now, log)
	cloud.Services, err = app.New(app.Ports{
		Table: cloud.Table, Queue: cloud.Queue, Secrets: secrets, Now: now,
		HTTP:        step.Router{HTTP: step.NewHTTP(step.HTTPConfig{Now: now, Secrets: secrets, Refuse: c.ownRuntime()}), StateMachines: machines},
		Tasks:       machines.Tasks(),
		Incarnation: strings.ToLower(crand.Text()),
	}, app.Config{Keys: c.Keys, PublicURL: c.PublicURL, Times: c.Times, Routes: c.Routes, Log: log})
	return cloud, err
}

// ownRuntime says what is the runtime API of the function itself, nil where it is
// no function. Whoever calls it takes invocations away and answers them, and what
// a step calls may come from an event.
func (c Config) ownRuntime() func(netip.AddrPort) bool {
	host, port, err := net.SplitHostPort(c.RuntimeAPI)
	if err != nil {
		return nil
	}
	return func(to netip.AddrPort) bool {
		own := to.Addr().IsLoopback() || to.Addr().IsUnspecified() || to.Addr().String() == host
		return own && strconv.Itoa(int(to.Port())) == port
	}
}

// secretsOf finds secrets in the Parameter Store, or in the environment where
// there is no prefix for it.
func secretsOf(cfg sdk.Config, c Config, now func() time.Time, log *slog.Logger) (*secret.Resolver, error) {
	var store secret.Store
	var err error
	if c.SecretPrefix != "" {
		store, err = ssm.New(cfg, c.SecretPrefix)
	} else {
		store, err = secret.NewEnv(c.Getenv, "")
	}
	if err != nil {
		return nil, err
	}
	return secret.NewResolver(store, now, log)
}

// mismatch tells that DynamoDB's bill is not what the meter computes: a price
// that somebody should look at, and no fault of the execution. Once for each
// operation is enough.
func (c *Cloud) mismatch(m dynamodb.Mismatch) {
	if _, told := c.told.LoadOrStore(m.Operation, true); told {
		return
	}
	c.log.Warn("units differ from the size rules", "operation", m.Operation, "consumed", m.Consumed, "computed", m.Computed)
}

// client keeps connections open between invocations and gives up on a host that
// does not answer while there is time for another try.
func client() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout, d.KeepAlive = 2*time.Second, 30*time.Second }).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost, t.MaxIdleConns = 64, 128
			t.TLSHandshakeTimeout = 2 * time.Second
		})
}
