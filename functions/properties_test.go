package functions_test

import (
	"slices"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// demand is a property that nothing but a deployed stack would miss.
type demand struct {
	path string // below the resource, its parts separated by dots
	want string // one of several, separated by |
	why  string
}

// demands are those of every resource of a type.
var demands = map[string][]demand{
	tableType: {
		{"DeletionPolicy", "Retain|RetainExceptOnCreate", "what has been promised is in it"},
		{"UpdateReplacePolicy", "Retain", "what has been promised is in it"},
		{"Properties.DeletionProtectionEnabled", "${DeletionProtection}|true", "what has been promised is in it"},
		{"Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", "true", "it can be restored to a point in time"},
		{"Properties.BillingMode", "PAY_PER_REQUEST", "an idle one costs nothing"},
		{"Properties.TimeToLiveSpecification.AttributeName", table.ExpiryAttr, "the code writes there when an item may go"},
		{"Properties.TimeToLiveSpecification.Enabled", "true", "items that nobody reads any more would be paid for for ever"},
		{"Properties.StreamSpecification.StreamViewType", "NEW_AND_OLD_IMAGES", "statistics follow from what an item was and is"},
	},
	queueType: {{"Properties.SqsManagedSseEnabled", "true", "messages are encrypted at rest"}},
}

func (c *checker) demanded() {
	for kind, of := range demands {
		for _, r := range c.ofType(kind) {
			for _, d := range of {
				c.demand(r, d)
			}
		}
	}
	for _, t := range c.ofType(tableType) {
		c.index(t, table.Hist, table.HistPK, "pk", "S", table.HistWork)
		c.index(t, table.Due, table.DuePK, table.DueSK, "N")
	}
	if d := text(c.tree, "Parameters", "DeletionProtection", "Default"); d != "true" {
		c.fault("parameter DeletionProtection: is %q where nothing is said; want true", d)
	}
}

func (c *checker) demand(resource string, d demand) {
	got := text(c.tree, append([]string{"Resources", resource}, strings.Split(d.path, ".")...)...)
	if !slices.Contains(strings.Split(d.want, "|"), got) {
		c.fault("%s: %s is %q; want %s: %s", resource, d.path, got, d.want, d.why)
	}
}

// index: it has the keys that the code asks by, and projects what the code reads
// of it and nothing beside, which each write would pay for.
func (c *checker) index(t, name, partition, sort, sortType string, read ...string) {
	indexes, _ := c.props(t, "GlobalSecondaryIndexes").([]any)
	for _, g := range indexes {
		if text(g, "IndexName") != name {
			continue
		}
		var keys []string
		schema, _ := at(g, "KeySchema").([]any)
		for _, k := range schema {
			keys = append(keys, text(k, "KeyType")+" "+text(k, "AttributeName")+" "+c.attribute(t, text(k, "AttributeName")))
		}
		if want := []string{"HASH " + partition + " S", "RANGE " + sort + " " + sortType}; !slices.Equal(keys, want) {
			c.fault("%s: index %s has the keys %q; want %q", t, name, keys, want)
		}
		kind := "KEYS_ONLY"
		if len(read) > 0 {
			kind = "INCLUDE"
		}
		if got, also := text(g, "Projection", "ProjectionType"), list(g, "Projection", "NonKeyAttributes"); got != kind || !slices.Equal(also, read) {
			c.fault("%s: index %s projects %s %v; want %s %v", t, name, got, also, kind, read)
		}
		return
	}
	c.fault("%s: has no index %s", t, name)
}

// attribute is the type of a key attribute.
func (c *checker) attribute(t, name string) string {
	defined, _ := c.props(t, "AttributeDefinitions").([]any)
	for _, a := range defined {
		if text(a, "AttributeName") == name {
			return text(a, "AttributeType")
		}
	}
	return ""
}

// runs: its log lines are JSON for Lambda too, and Lambda does not take a
// function that feeds itself by a queue for one that has run wild.
func (c *checker) runs(f, role string) {
	format := text(c.props(f, "LoggingConfig", "LogFormat"))
	if format == "" {
		format = text(c.tree, "Globals", "Function", "LoggingConfig", "LogFormat")
	}
	if format != "JSON" {
		c.fault("%s: LoggingConfig.LogFormat is %q; want JSON: its lines are, and the platform's beside them", f, format)
	}
	fed := false
	for _, e := range mapping(c.props(f, "Events")) {
		fed = fed || text(e, "Type") == "SQS"
	}
	sends := slices.ContainsFunc(c.statements(role), func(s statement) bool { return slices.Contains(s.Actions, "sqs:SendMessage") })
	if fed && sends && text(c.props(f, "RecursiveLoop")) != "Allow" {
		c.fault("%s: has no RecursiveLoop: Allow; it is fed from a queue and sends to queues, which Lambda stops after some 16 rounds", f)
	}
}
