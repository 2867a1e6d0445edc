package dynamodb

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// shapes are the keys that the table ("") and its indexes must have.
var shapes = []struct{ index, partition, sort, sortType string }{
	{"", pkName, skName, "S"},
	{table.Hist, table.HistPK, pkName, "S"},
	{table.Due, table.DuePK, table.DueSK, "N"},
}

// ErrUnchecked is Check's answer without a verdict.
var ErrUnchecked = errors.New("the table cannot be looked at")

// Check looks whether the table has the keys and the indexes that the port
// needs. The error is one line that names what is missing, or ErrUnchecked where
// the table cannot be asked (no permission, no answer): then there is no verdict,
// and the first call that needs the table will say.
func (t *Table) Check(ctx context.Context) error {
	ctx, _ = watched(ctx)
	out, err := t.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.name})
	var absent *types.ResourceNotFoundException
	switch {
	case errors.As(err, &absent):
		return fmt.Errorf("there is no table %q here", t.name)
	case err != nil || out.Table == nil:
		return fmt.Errorf("%w: table %q: %w", ErrUnchecked, t.name, err)
	}
	keys := map[string][]types.KeySchemaElement{"": out.Table.KeySchema}
	for i := range out.Table.GlobalSecondaryIndexes {
		g := &out.Table.GlobalSecondaryIndexes[i]
		keys[aws.ToString(g.IndexName)] = g.KeySchema
	}
	sorts := map[string]string{}
	for _, a := range out.Table.AttributeDefinitions {
		sorts[aws.ToString(a.AttributeName)] = string(a.AttributeType)
	}
	for _, s := range shapes {
		what := fmt.Sprintf("table %q", t.name)
		if s.index != "" {
			what += fmt.Sprintf(": index %q", s.index)
		}
		schema, there := keys[s.index]
		switch {
		case !there:
			return fmt.Errorf("%s is missing; its keys are %s and %s", what, s.partition, s.sort)
		case !has(schema, types.KeyTypeHash, s.partition) || !has(schema, types.KeyTypeRange, s.sort) || sorts[s.sort] != s.sortType:
			return fmt.Errorf("%s must have the keys %s (S) and %s (%s)", what, s.partition, s.sort, s.sortType)
		}
	}
	return nil
}

func has(schema []types.KeySchemaElement, kind types.KeyType, name string) bool {
	for _, e := range schema {
		if e.KeyType == kind && aws.ToString(e.AttributeName) == name {
			return true
		}
	}
	return false
}
