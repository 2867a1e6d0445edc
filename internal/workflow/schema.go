package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is a compiled JSON Schema (2020-12).
type schema struct {
	compiled    *jsonschema.Schema
	facts       map[*jsonschema.Schema]*facts
	unevaluated bool
}

// offline loads nothing: a document's schema stands by itself.
type offline struct{}

var (
	errRemote      = errors.New("a schema must not refer to another address")
	errPatternLong = fmt.Errorf("a regular expression must be at most %d characters long", MaxPattern)
	errPatterns    = errors.New("the regular expressions of the schema are too large together")
)

func (offline) Load(string) (any, error) { return nil, errRemote }

// schemaName is what a schema is called while it is compiled. It is told to
// nobody, and what is relative to it is another address.
const schemaName = "stepline:///schema"

func (p *parser) schema(pointer string, v any) *schema {
	switch v.(type) {
	case map[string]any, bool:
	default:
		p.fault(pointer, "must be a JSON Schema: an object, or true or false")
		return nil
	}
	if n := subschemas(v); n > MaxSubschemas {
		p.fault(pointer, "must hold at most %d schemas and other objects; there are %d", MaxSubschemas, n)
		return nil
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(offline{})
	c.UseRegexpEngine((&patterns{MaxPatterns}).compile)
	if err := c.AddResource(schemaName, asNumbers(v)); err != nil {
		p.fault(pointer, "must be a JSON Schema (2020-12)")
		return nil
	}
	root, err := c.Compile(schemaName)
	if err != nil {
		p.schemaFaults(pointer, err)
		return nil
	}
	all := reachable(root)
	if !p.bounded(pointer, all) {
		return nil
	}
	s := &schema{compiled: root, facts: factsOf(all)}
	for _, sub := range all {
		s.unevaluated = s.unevaluated || sub.UnevaluatedItems != nil || sub.UnevaluatedProperties != nil
		if sub.UniqueItems {
			sub.UniqueItems = false
			sub.Extensions = append(sub.Extensions, unique{})
		}
	}
	return s
}

func (p *parser) schemaFaults(pointer string, err error) {
	var invalid *jsonschema.SchemaValidationError
	var violated *jsonschema.ValidationError
	var remote *jsonschema.LoadURLError
	var regex *jsonschema.InvalidRegexError
	switch {
	case errors.As(err, &remote):
		p.fault(pointer, "must stand by itself: %s", errRemote)
	case errors.As(err, &regex):
		p.fault(pointer, "must be a JSON Schema (2020-12); the regular expression %s cannot be used: %s", clip(strconv.Quote(regex.Regex)), regex.Err)
	case errors.As(err, &invalid) && errors.As(invalid.Err, &violated):
		for _, f := range violations(violated) {
			p.fault(pointer+f.Pointer, "is no JSON Schema (2020-12): %s", f.Detail)
		}
	default:
		p.fault(pointer, "must be a JSON Schema (2020-12); a reference or a pattern in it cannot be used")
	}
}

// heavy is the effort from which on values are checked one after another:
// what is kept of all the faults of one may fill a good part of the memory.
const heavy = MaxEffort / 10

var oneHeavy sync.Mutex

// check lists what is wrong with a value; a nil schema accepts anything.
func (s *schema) check(v any) []Fault {
	if s == nil {
		return nil
	}
	v = asNumbers(v)
	e := effort{facts: s.facts, unevaluated: s.unevaluated, left: MaxEffort}
	if !e.visit(s.compiled, v, 0, 0) {
		return []Fault{{"", fmt.Sprintf("is too large to be checked against its schema: more than %d comparisons would be needed; make it smaller, or the schema simpler", MaxEffort)}}
	}
	if MaxEffort-e.left > heavy {
		oneHeavy.Lock()
		defer oneHeavy.Unlock()
	}
	err := s.compiled.Validate(v)
	var violated *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &violated):
		return violations(violated)
	}
	return []Fault{{"", "does not fit the schema"}}
}

// asNumbers is a value as the validator wants it: numbers as json.Number. The
// value itself is shared and stays as it is.
func asNumbers(v any) any {
	switch v := v.(type) {
	case int:
		return json.Number(strconv.Itoa(v))
	case float64:
		return json.Number(strconv.FormatFloat(v+0, 'g', -1, 64)) // without the sign of a zero
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = asNumbers(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = asNumbers(e)
		}
		return out
	}
	return v
}

// CheckInput lists what the document's input schema finds wrong with an input,
// with pointers into it; nil when it fits or there is no schema.
func (d *Document) CheckInput(v any) []Fault { return d.schema.check(v) }

// CheckPayload lists what the step's schema finds wrong with a callback's
// payload, with pointers into it; nil when it fits or there is no schema.
func (s *Step) CheckPayload(v any) []Fault { return s.payload.check(v) }

// Warnings are legal but suspicious places of the document.
func (d *Document) Warnings() []Fault { return d.warnings }
