package workflow

import (
	"encoding/json"
	"errors"
	"sort"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// schema is a compiled JSON Schema (2020-12).
type schema struct{ compiled *jsonschema.Schema }

// offline loads nothing: a document's schema stands by itself.
type offline struct{}

var errRemote = errors.New("a schema must not refer to another address")

func (offline) Load(string) (any, error) { return nil, errRemote }

func (p *parser) schema(pointer string, v any) *schema {
	switch v.(type) {
	case map[string]any, bool:
	default:
		p.fault(pointer, "must be a JSON Schema: an object, or true or false")
		return nil
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(offline{})
	const at = "schema.json"
	if err := c.AddResource(at, asNumbers(v)); err != nil {
		p.fault(pointer, "must be a JSON Schema (2020-12)")
		return nil
	}
	s, err := c.Compile(at)
	if err != nil {
		p.schemaFaults(pointer, err)
		return nil
	}
	return &schema{s}
}

func (p *parser) schemaFaults(pointer string, err error) {
	var invalid *jsonschema.SchemaValidationError
	var violated *jsonschema.ValidationError
	switch {
	case errors.Is(err, errRemote):
		p.fault(pointer, "must stand by itself: %s", errRemote)
	case errors.As(err, &invalid) && errors.As(invalid.Err, &violated):
		for _, f := range violations(violated) {
			p.fault(pointer+f.Pointer, "is no JSON Schema (2020-12): %s", f.Detail)
		}
	default:
		p.fault(pointer, "must be a JSON Schema (2020-12); a reference or a pattern in it cannot be used")
	}
}

// check lists what is wrong with a value; a nil schema accepts anything.
func (s *schema) check(v any) []Fault {
	if s == nil {
		return nil
	}
	err := s.compiled.Validate(asNumbers(v))
	var violated *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &violated):
		return violations(violated)
	}
	return []Fault{{"", "does not fit the schema"}}
}

var english = message.NewPrinter(language.English)

// violations are the leaves of a validation error, in the order of their
// places.
func violations(e *jsonschema.ValidationError) []Fault {
	var out []Fault
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) > 0 {
			for _, c := range e.Causes {
				walk(c)
			}
			return
		}
		pointer := ""
		for _, part := range e.InstanceLocation {
			pointer += "/" + escape(part)
		}
		if extra, ok := e.ErrorKind.(*kind.AdditionalProperties); ok {
			for _, name := range extra.Properties {
				out = append(out, Fault{pointer + "/" + escape(name), "is not allowed here"})
			}
			return
		}
		out = append(out, Fault{pointer, strings.TrimSuffix(e.ErrorKind.LocalizedString(english), ".")})
	}
	walk(e)
	sort.SliceStable(out, func(i, j int) bool { return out[i].Pointer < out[j].Pointer })
	return out
}

// asNumbers is a value as the validator wants it: numbers as json.Number. The
// value itself is shared and stays as it is.
func asNumbers(v any) any {
	switch v := v.(type) {
	case int:
		return json.Number(strconv.Itoa(v))
	case float64:
		return json.Number(strconv.FormatFloat(v, 'g', -1, 64))
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
