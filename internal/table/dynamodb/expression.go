package dynamodb

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// expression gathers the names and values of one call's expressions. The same
// write always gives the same text: DynamoDB compares the requests that share
// a transaction's token.
type expression struct {
	names  map[string]string // placeholder → name
	places map[string]string // name → placeholder
	values map[string]types.AttributeValue
}

func (e *expression) name(name string) string {
	if p, known := e.places[name]; known {
		return p
	}
	if e.names == nil {
		e.names, e.places = map[string]string{}, map[string]string{}
	}
	p := "#" + strconv.Itoa(len(e.names))
	e.names[p], e.places[name] = name, p
	return p
}

func (e *expression) value(v table.Value) string {
	if e.values == nil {
		e.values = map[string]types.AttributeValue{}
	}
	p := ":" + strconv.Itoa(len(e.values))
	e.values[p] = encode(v)
	return p
}

var comparisons = map[table.Op]string{
	table.Eq: " = ", table.Lt: " < ", table.Le: " <= ", table.Gt: " > ", table.Ge: " >= ",
}

// clause is a part of a condition. DynamoDB refuses parentheses that are not
// needed: an OR takes them inside an AND, an AND never.
type clause struct {
	text string
	or   bool
}

func and(parts []clause) clause {
	if len(parts) == 1 {
		return parts[0]
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		if texts[i] = p.text; p.or {
			texts[i] = "(" + p.text + ")"
		}
	}
	return clause{text: strings.Join(texts, " AND ")}
}

func or(parts ...clause) clause {
	if len(parts) == 1 {
		return parts[0]
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.text
	}
	return clause{text: strings.Join(texts, " OR "), or: true}
}

// condition is the write's condition, nil for one that always holds. What is
// added to must be a number and stay one of 64 bits, which Apply demands and
// DynamoDB would not.
func (e *expression) condition(w table.Write) *string {
	var parts []clause
	always := slices.ContainsFunc(w.If, func(all []table.Test) bool { return len(all) == 0 })
	if !always {
		alternatives := make([]clause, len(w.If))
		for i, all := range w.If {
			tests := make([]clause, len(all))
			for j, t := range all {
				tests[j] = e.test(t)
			}
			alternatives[i] = and(tests)
		}
		parts = append(parts, or(alternatives...))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Add)) {
		parts = append(parts, e.addable(name, w.Add[name]))
	}
	if len(parts) == 0 {
		return nil
	}
	return aws.String(and(parts).text)
}

func (e *expression) addable(name string, n int64) clause {
	p := e.name(name)
	absent := clause{text: "attribute_not_exists(" + p + ")"}
	if n < 0 {
		return or(absent, clause{text: p + " >= " + e.value(table.Int(math.MinInt64-n))})
	}
	return or(absent, clause{text: p + " <= " + e.value(table.Int(math.MaxInt64-n))})
}

func (e *expression) test(t table.Test) clause {
	p := e.name(t.Attr)
	absent := clause{text: "attribute_not_exists(" + p + ")"}
	switch t.Op {
	case table.Absent:
		return absent
	case table.Present:
		return clause{text: "attribute_exists(" + p + ")"}
	case table.Ne:
		return or(absent, clause{text: p + " <> " + e.value(t.Value)})
	}
	return clause{text: p + comparisons[t.Op] + e.value(t.Value)}
}

// update is the update expression, nil for a write that changes nothing: it
// still creates an absent item.
func (e *expression) update(w table.Write) *string {
	var clauses []string
	list := func(verb string, parts []string) {
		if len(parts) > 0 {
			clauses = append(clauses, verb+strings.Join(parts, ", "))
		}
	}
	var set, add, remove []string
	for _, name := range slices.Sorted(maps.Keys(w.Set)) {
		set = append(set, e.name(name)+" = "+e.value(w.Set[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Add)) {
		add = append(add, e.name(name)+" "+e.value(table.Int(w.Add[name])))
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(w.Remove))) {
		remove = append(remove, e.name(name))
	}
	list("SET ", set)
	list("ADD ", add)
	list("REMOVE ", remove)
	if len(clauses) == 0 {
		return nil
	}
	return aws.String(strings.Join(clauses, " "))
}
