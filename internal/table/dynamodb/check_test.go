//go:build aws

package dynamodb

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-926d1ba8/stepline/internal/standintest"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// A table that is not the one the port needs is named, with what is missing;
// of one that cannot be asked nothing is said.
func TestCheck(t *testing.T) {
	t.Parallel()
	cfg := standintest.AWS()
	good := New(Config{Name: standintest.NewTable(t, cfg), AWS: cfg, Endpoint: standintest.Tables(t)})
	if err := good.Check(t.Context()); err != nil {
		t.Errorf("a right table: %v", err)
	}
	unreachable := New(Config{Name: "t", AWS: cfg, Endpoint: "http://127.0.0.1:1"})
	if err := unreachable.Check(t.Context()); !errors.Is(err, ErrUnchecked) {
		t.Errorf("a table that cannot be asked: %v, want no verdict", err)
	}
	for name, c := range map[string]struct {
		spoil func(*dynamodb.CreateTableInput)
		want  []string
	}{
		"without-due": {func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes = in.GlobalSecondaryIndexes[:1]
			in.AttributeDefinitions = in.AttributeDefinitions[:3]
		}, []string{`index "due" is missing`, "qp and qk"}},
		"qk-is-text": {func(in *dynamodb.CreateTableInput) {
			at := slices.IndexFunc(in.AttributeDefinitions, func(a types.AttributeDefinition) bool { return aws.ToString(a.AttributeName) == "qk" })
			in.AttributeDefinitions[at].AttributeType = types.ScalarAttributeTypeS
		}, []string{`index "due"`, "qk (N)"}},
		"other-hist": {func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes[0].KeySchema[1].AttributeName = aws.String("sk")
		}, []string{`index "hist"`, "hp (S) and pk (S)"}},
		"keys-only": {func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes[0].Projection = &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}
		}, []string{`index "hist"`, "must project wf"}},
	} {
		in := standintest.TableInput("check-" + name)
		c.spoil(in)
		tab := New(Config{Name: *in.TableName, AWS: cfg, Endpoint: standintest.Tables(t)})
		if err := tab.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "no table") {
			t.Errorf("%s before it is made: %v", name, err)
		}
		if _, err := tab.client.CreateTable(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		err := tab.Check(t.Context())
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want one line with %q", name, err, want)
			}
		}
		if name == "without-due" { // whoever did not check hears of it all the same
			_, err := tab.Query(t.Context(), table.Query{Index: table.Due, PK: "q"})
			if err == nil || !strings.Contains(err.Error(), "due") {
				t.Errorf("a query of the missing index: %v", err)
			}
		}
		if _, err := tab.client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: in.TableName}); err != nil {
			t.Fatal(err)
		}
	}
}
