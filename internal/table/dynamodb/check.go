package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// shape is the keys that the table ("") or an index must have, each with its
// type, and the attributes beside all keys that are read from an index.
type shape struct {
	index, partition, sort string
	sortType               types.ScalarAttributeType
	read                   []string
}

var shapes = []shape{
	{"", pkName, skName, types.ScalarAttributeTypeS, nil},
	{table.Hist, table.HistPK, pkName, types.ScalarAttributeTypeS, []string{table.HistWork}},
	{table.Due, table.DuePK, table.DueSK, types.ScalarAttributeTypeN, nil},
}

// ErrUnchecked is Check's answer without a verdict.
var ErrUnchecked = errors.New("the table cannot be looked at")

// Check looks whether the table has the keys and the indexes that the port
// needs, and whether they can be used. The error is one line that names what is
// missing, or ErrUnchecked where the table cannot be asked (no permission, no
// answer): then there is no verdict, and the first call that needs the table will
// say.
//
// A table or an index that is UPDATING serves all calls meanwhile. An index that
// is still CREATING does not: a sweep or a list would miss what is not in it yet
// and nobody would notice, so it is refused until it is there.
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
	for _, s := range shapes {
		if fault := s.fault(out.Table); fault != "" {
			what := fmt.Sprintf("table %q", t.name)
			if s.index != "" {
				what += fmt.Sprintf(": index %q", s.index)
			}
			return fmt.Errorf("%s %s", what, fault)
		}
	}
	return nil
}

// fault says what keeps a table, or its index, from being used; "" for nothing.
func (s shape) fault(d *types.TableDescription) string {
	schema, status := d.KeySchema, string(d.TableStatus)
	var projection *types.Projection
	if s.index != "" {
		i := slices.IndexFunc(d.GlobalSecondaryIndexes, func(g types.GlobalSecondaryIndexDescription) bool { return aws.ToString(g.IndexName) == s.index })
		if i < 0 {
			return fmt.Sprintf("is missing; its keys are %s and %s", s.partition, s.sort)
		}
		g := &d.GlobalSecondaryIndexes[i]
		schema, status, projection = g.KeySchema, string(g.IndexStatus), g.Projection
	}
	switch {
	case !has(d, schema, types.KeyTypeHash, s.partition, types.ScalarAttributeTypeS) || !has(d, schema, types.KeyTypeRange, s.sort, s.sortType):
		return fmt.Sprintf("must have the keys %s (S) and %s (%s)", s.partition, s.sort, s.sortType)
	case !projects(projection, s.read):
		return fmt.Sprintf("must project %s, which is read from it", strings.Join(s.read, ", "))
	case status != string(types.TableStatusActive) && status != string(types.TableStatusUpdating):
		return fmt.Sprintf("is %s; it can be used when it is ACTIVE", status)
	}
	return ""
}

// has reports whether a schema has a key with this name, in this role and of
// this type.
func has(d *types.TableDescription, schema []types.KeySchemaElement, kind types.KeyType, name string, of types.ScalarAttributeType) bool {
	return slices.ContainsFunc(schema, func(e types.KeySchemaElement) bool {
		return e.KeyType == kind && aws.ToString(e.AttributeName) == name
	}) && slices.ContainsFunc(d.AttributeDefinitions, func(a types.AttributeDefinition) bool {
		return aws.ToString(a.AttributeName) == name && a.AttributeType == of
	})
}

// projects reports whether an index holds these attributes beside all keys.
func projects(p *types.Projection, names []string) bool {
	for _, name := range names {
		if p == nil || p.ProjectionType != types.ProjectionTypeAll && !slices.Contains(p.NonKeyAttributes, name) {
			return false
		}
	}
	return true
}
