package dynamodb

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Names of the key's halves.
const (
	pkName = "pk"
	skName = table.SKAttr
)

// Config is what a Table needs. Name and AWS are required.
type Config struct {
	Name string     // the table's
	AWS  aws.Config // region, credentials, HTTP client
	// Endpoint replaces DynamoDB's own address: a stand-in. "" is AWS.
	Endpoint string
	// OnMismatch hears of every call whose units by the size rules differ from
	// what DynamoDB says it consumed; nil: they are counted only.
	OnMismatch func(Mismatch)
}

// Mismatch is one call whose units were not as computed.
type Mismatch struct {
	Operation string
	Key       table.Key // the first, where there are several
	Consumed  float64   // by DynamoDB
	Computed  float64   // by package table
}

// Table is a DynamoDB table.
type Table struct {
	name       string
	client     *dynamodb.Client
	onMismatch func(Mismatch)
	mismatches atomic.Int64
}

var _ table.Table = (*Table)(nil)

// New makes a Table. It makes no call.
func New(c Config) *Table {
	client := dynamodb.NewFromConfig(c.AWS, func(o *dynamodb.Options) {
		o.Retryer = retryer()
		o.APIOptions = append(o.APIOptions, watchTries)
		if c.Endpoint != "" {
			o.BaseEndpoint = &c.Endpoint
			// The stand-in sends a wrong checksum with every error.
			o.DisableValidateResponseChecksum = true
		}
	})
	return &Table{name: c.Name, client: client, onMismatch: c.OnMismatch}
}

// Mismatches says how many calls had other units than computed.
func (t *Table) Mismatches() int64 { return t.mismatches.Load() }

// bill counts what DynamoDB says it consumed, and compares it with what the
// size rules say; where the answer does not say, the rules count alone.
func (t *Table) bill(ctx context.Context, op string, k table.Key, consumed []types.ConsumedCapacity, rules func(ctx context.Context)) {
	var m table.Meter
	rules(table.WithMeter(context.Background(), &m))
	computed := m.WriteUnits() + m.ReadUnits()
	if len(consumed) == 0 {
		table.Bill(ctx, m.WriteUnits(), m.ReadUnits())
		return
	}
	units := total(consumed)
	if m.WriteUnits() > 0 {
		table.Bill(ctx, units, 0)
	} else {
		table.Bill(ctx, 0, units)
	}
	if units != computed {
		t.mismatches.Add(1)
		if t.onMismatch != nil {
			t.onMismatch(Mismatch{Operation: op, Key: k, Consumed: units, Computed: computed})
		}
	}
}

func total(consumed []types.ConsumedCapacity) (units float64) {
	for i := range consumed {
		units += aws.ToFloat64(consumed[i].CapacityUnits)
	}
	return units
}

// one is the capacity of a call on one table.
func one(c *types.ConsumedCapacity) []types.ConsumedCapacity {
	if c == nil {
		return nil
	}
	return []types.ConsumedCapacity{*c}
}
