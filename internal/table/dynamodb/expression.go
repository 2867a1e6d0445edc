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

// condition is the write's condition, nil for one that always holds. What is
// added to must be a number and stay one of 64 bits, which Apply demands and
// DynamoDB would not.
func (e *expression) condition(w table.Write) *string {
	var parts []string
	if alternatives := e.alternatives(w.If); alternatives != "" {
		parts = append(parts, alternatives)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Add)) {
		parts = append(parts, e.addable(name, w.Add[name]))
	}
	if len(parts) == 0 {
		return nil
	}
	return aws.String(strings.Join(parts, " AND "))
}

func (e *expression) addable(name string, n int64) string {
	limit, op := int64(math.MaxInt64), " <= "
	if n >= 0 {
		limit -= n
	} else {
		limit, op = math.MinInt64-n, " >= "
	}
	p := e.name(name)
	return "(attribute_not_exists(" + p + ") OR " + p + op + e.value(table.Int(limit)) + ")"
}

// alternatives is "" when one of them holds for every item.
func (e *expression) alternatives(c table.Cond) string {
	if slices.ContainsFunc(c, func(all []table.Test) bool { return len(all) == 0 }) {
		return ""
	}
	ors := make([]string, len(c))
	for i, all := range c {
		ands := make([]string, len(all))
		for j, t := range all {
			ands[j] = e.test(t)
		}
		ors[i] = "(" + strings.Join(ands, " AND ") + ")"
	}
	return "(" + strings.Join(ors, " OR ") + ")"
}

func (e *expression) test(t table.Test) string {
	p := e.name(t.Attr)
	switch t.Op {
	case table.Absent:
		return "attribute_not_exists(" + p + ")"
	case table.Present:
		return "attribute_exists(" + p + ")"
	case table.Ne:
		return "(attribute_not_exists(" + p + ") OR " + p + " <> " + e.value(t.Value) + ")"
	}
	return p + comparisons[t.Op] + e.value(t.Value)
}

// update is the update expression, nil for a write that changes nothing: it
// still creates an absent item.
func (e *expression) update(w table.Write) *string {
	var clauses []string
	clause := func(verb string, parts []string) {
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
	clause("SET ", set)
	clause("ADD ", add)
	clause("REMOVE ", remove)
	if len(clauses) == 0 {
		return nil
	}
	return aws.String(strings.Join(clauses, " "))
}
