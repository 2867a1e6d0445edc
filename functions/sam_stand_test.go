//go:build sam

package functions_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.yaml.in/yaml/v3"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// stand is a table and queues of its own, and the built template with their
// names in it.
type stand struct {
	name     string
	template string
	db       *dynamodb.Client
	sqs      *sqs.Client
	urls     map[queue.Lane]string // as this process reaches them
}

func (e *environment) stand(t *testing.T, name string, queues map[queue.Lane]string) *stand {
	t.Helper()
	keys := credentials.NewStaticCredentialsProvider("local", "local", "")
	s := &stand{name: name, urls: map[queue.Lane]string{}}
	s.db = dynamodb.New(dynamodb.Options{Region: "eu-central-1", Credentials: keys, BaseEndpoint: &e.table, DisableValidateResponseChecksum: true})
	s.sqs = sqs.New(sqs.Options{Region: "eu-central-1", Credentials: keys, BaseEndpoint: &e.queue})
	s.createTable(t)
	s.createQueues(t, queues, e.queue)
	s.template = e.edited(t, s)
	return s
}

// createTable makes the table that the template declares.
func (s *stand) createTable(t *testing.T) {
	t.Helper()
	tr, err := parseTemplate(current(t).template)
	if err != nil {
		t.Fatal(err)
	}
	in := &dynamodb.CreateTableInput{TableName: &s.name, BillingMode: dynamotypes.BillingModePayPerRequest, KeySchema: keySchema(tr.props("Table"))}
	attributes, _ := tr.props("Table", "AttributeDefinitions").([]any)
	for _, a := range attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, dynamotypes.AttributeDefinition{
			AttributeName: aws.String(text(a, "AttributeName")), AttributeType: dynamotypes.ScalarAttributeType(text(a, "AttributeType")),
		})
	}
	indexes, _ := tr.props("Table", "GlobalSecondaryIndexes").([]any)
	for _, g := range indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, dynamotypes.GlobalSecondaryIndex{
			IndexName: aws.String(text(g, "IndexName")), KeySchema: keySchema(g),
			Projection: &dynamotypes.Projection{
				ProjectionType: dynamotypes.ProjectionType(text(g, "Projection", "ProjectionType")), NonKeyAttributes: list(g, "Projection", "NonKeyAttributes"),
			},
		})
	}
	_, _ = s.db.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &s.name}) // of an earlier run on the same engine
	if _, err := s.db.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func keySchema(v any) []dynamotypes.KeySchemaElement {
	var out []dynamotypes.KeySchemaElement
	keys, _ := at(v, "KeySchema").([]any)
	for _, k := range keys {
		out = append(out, dynamotypes.KeySchemaElement{AttributeName: aws.String(text(k, "AttributeName")), KeyType: dynamotypes.KeyType(text(k, "KeyType"))})
	}
	return out
}

// createQueues makes the lanes that the template declares, the dead-letter
// queue first. A lane named quick… returns its messages after three seconds.
func (s *stand) createQueues(t *testing.T, names map[queue.Lane]string, endpoint string) {
	t.Helper()
	w, err := wiring.Read("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lanes := slices.Sorted(maps.Keys(names))
	slices.SortStableFunc(lanes, func(a, b queue.Lane) int {
		return strings.Compare(string(w.Lanes[a].DeadLetter), string(w.Lanes[b].DeadLetter))
	})
	for _, lane := range lanes {
		l := w.Lanes[lane]
		seconds := int(l.Visibility.Seconds())
		if strings.HasPrefix(names[lane], "quick") {
			seconds = 3
		}
		attributes := map[string]string{"VisibilityTimeout": strconv.Itoa(seconds)}
		if l.DeadLetter != "" {
			attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:%s","maxReceiveCount":"%d"}`, names[l.DeadLetter], l.MaxReceives)
		}
		out, err := s.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(names[lane]), Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		s.urls[lane] = endpoint + "/" + strings.Join(strings.Split(*out.QueueUrl, "/")[3:], "/")
		if _, err := s.sqs.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: aws.String(s.urls[lane])}); err != nil {
			t.Fatal(err)
		}
	}
}

// edited is the path of the built template with the variables that AWS would
// fill in, and with an HttpApi event on the webhook function: SAM serves no
// function URLs. The event has the same payload format and takes every path.
func (e *environment) edited(t *testing.T, s *stand) string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(e.root, ".aws-sam", "build", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{
		"STEPLINE_TABLE": s.name, "STEPLINE_CALLBACK_KEYS": callbackKey, "STEPLINE_PUBLIC_URL": publicURL,
		"STEPLINE_SECRET_PREFIX": "", "STEPLINE_SECRET_SHOP": sampleSecret, // no Parameter Store here
		"AWS_ENDPOINT_URL_DYNAMODB": containerAddress(e.table), "AWS_ENDPOINT_URL_SQS": containerAddress(e.queue),
	}
	for lane, url := range s.urls {
		vars["STEPLINE_QUEUE_"+strings.ToUpper(string(lane))] = containerAddress(url)
	}
	setVariables(node(doc.Content[0], "Globals", "Function", "Environment", "Variables"), vars, true)
	resources := node(doc.Content[0], "Resources")
	for i := 1; i < len(resources.Content); i += 2 {
		setVariables(node(resources.Content[i], "Properties", "Environment", "Variables"), vars, false)
	}
	var event yaml.Node
	if err := yaml.Unmarshal([]byte("Events: {Any: {Type: HttpApi}}"), &event); err != nil {
		t.Fatal(err)
	}
	webhook := node(resources, "WebhookFunction", "Properties")
	webhook.Content = append(webhook.Content, event.Content[0].Content...)
	out, err := yaml.Marshal(&doc)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(e.root, ".aws-sam", "build", "test-"+s.name+".yaml")
	if err := os.WriteFile(at, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

// node is the value below a path of keys, nil where there is none.
func node(n *yaml.Node, keys ...string) *yaml.Node {
	for _, k := range keys {
		var next *yaml.Node
		for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == k {
				next = n.Content[i+1]
			}
		}
		n = next
	}
	return n
}

// setVariables gives the variables of a mapping their values, and adds the
// others where it is to have all.
func setVariables(n *yaml.Node, vars map[string]string, all bool) {
	if n == nil {
		return
	}
	rest := maps.Clone(vars)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if v, ok := vars[n.Content[i].Value]; ok {
			*n.Content[i+1] = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v}
			delete(rest, n.Content[i].Value)
		}
	}
	if !all {
		return
	}
	for name, v := range rest {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v})
	}
}

// items are the items whose partition key begins with a text.
func (s *stand) items(ctx context.Context, prefix string) ([]map[string]dynamotypes.AttributeValue, error) {
	out, err := s.db.Scan(ctx, &dynamodb.ScanInput{
		TableName: &s.name, ConsistentRead: aws.Bool(true), FilterExpression: aws.String("begins_with(pk, :p)"),
		ExpressionAttributeValues: map[string]dynamotypes.AttributeValue{":p": &dynamotypes.AttributeValueMemberS{Value: prefix}},
	})
	if err != nil {
		return nil, err
	}
	return out.Items, nil
}
