package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
)

// schema is a JSON Schema (2020-12, as OpenAPI 3.1 uses it).
type schema map[string]any

// schemas makes the schemas of Go types, so that what is published cannot drift
// from what is answered. Named structs become components.
type schemas struct{ components map[string]schema }

// special are types whose JSON says more than their Go kind.
var special = map[reflect.Type]schema{
	reflect.TypeFor[time.Time]():         {"type": "string", "format": "date-time"},
	reflect.TypeFor[json.RawMessage]():   {"description": "any JSON value"},
	reflect.TypeFor[record.Status]():     {"type": "string", "enum": record.Statuses},
	reflect.TypeFor[record.StepStatus](): {"type": "string"},
}

// of is the schema of a value of v's type.
func (s *schemas) of(v any) schema { return s.ofType(reflect.TypeOf(v)) }

func (s *schemas) ofType(t reflect.Type) schema {
	if known, ok := special[t]; ok {
		return known
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schema{"anyOf": []schema{s.ofType(t.Elem()), {"type": "null"}}}
	case reflect.Interface:
		return schema{}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Float64:
		return schema{"type": "number"}
	case reflect.Slice:
		return schema{"type": "array", "items": s.ofType(t.Elem())}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": s.ofType(t.Elem())}
	case reflect.Struct:
		return s.ofStruct(t)
	}
	return schema{"type": "string"}
}

// ofStruct refers to the component of a named struct; a generic one, such as a
// page, is described in place.
func (s *schemas) ofStruct(t reflect.Type) schema {
	name := t.Name()
	if strings.Contains(name, "[") {
		return s.object(t)
	}
	if _, done := s.components[name]; !done {
		s.components[name] = nil // the place is taken before a type that contains itself comes by
		s.components[name] = s.object(t)
	}
	return schema{"$ref": "#/components/schemas/" + name}
}

func (s *schemas) object(t reflect.Type) schema {
	properties := schema{}
	var required []string
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "" {
			continue
		}
		p := s.ofType(f.Type)
		if strings.Contains(options, "omitempty") {
			if one, ok := p["anyOf"].([]schema); ok {
				p = one[0] // absent instead of null
			}
		} else {
			required = append(required, name)
		}
		properties[name] = p
	}
	return schema{"type": "object", "properties": properties, "required": required}
}
