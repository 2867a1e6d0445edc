package workflow

import (
	"maps"
	"net/url"
	"slices"
	"sort"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Limits of a schema (README, Limits). The validator follows every branch of
// anyOf, oneOf and allOf and keeps an error for each, so without them a
// schema of 1 KB takes all memory there is.
const (
	// MaxSubschemas bounds the schemas in a schema, and how many apply to one
	// place of a value once its references are followed.
	MaxSubschemas = 10_000
	// MaxPattern is the longest regular expression in a schema, and MaxPatterns
	// how many instructions all of them compile to.
	MaxPattern  = 2_000
	MaxPatterns = 200_000
)

// here are the schemas that s applies to the very value it is applied to. Only
// what the validator follows without taking a part of the value is here.
func here(s *jsonschema.Schema) []*jsonschema.Schema {
	out := slices.Concat([]*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else}, s.AllOf, s.AnyOf, s.OneOf)
	for _, name := range slices.Sorted(maps.Keys(s.DependentSchemas)) {
		out = append(out, s.DependentSchemas[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Dependencies)) {
		if sub, ok := s.Dependencies[name].(*jsonschema.Schema); ok {
			out = append(out, sub)
		}
	}
	return slices.DeleteFunc(out, func(s *jsonschema.Schema) bool { return s == nil })
}

// below are the schemas that s applies to parts of the value.
func below(s *jsonschema.Schema) []*jsonschema.Schema {
	out := slices.Concat([]*jsonschema.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems}, s.PrefixItems)
	out = slices.AppendSeq(out, maps.Values(s.Properties))
	out = slices.AppendSeq(out, maps.Values(s.PatternProperties))
	for _, v := range []any{s.AdditionalProperties, s.Items, s.AdditionalItems} {
		switch v := v.(type) {
		case *jsonschema.Schema:
			out = append(out, v)
		case []*jsonschema.Schema:
			out = append(out, v...)
		}
	}
	return slices.DeleteFunc(out, func(s *jsonschema.Schema) bool { return s == nil })
}

// reachable is root and all that it leads to, in the order of their places.
func reachable(root *jsonschema.Schema) []*jsonschema.Schema {
	seen := map[*jsonschema.Schema]bool{root: true}
	out := []*jsonschema.Schema{root}
	for i := 0; i < len(out); i++ {
		for _, s := range append(here(out[i]), below(out[i])...) {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Location < out[j].Location })
	return out
}

// expansion follows references and branches on the spot: how many schemas
// apply to one value, and which of them come back to themselves.
type expansion struct {
	applied map[*jsonschema.Schema]int // 0 while it is being counted
	cycles  []string                   // pointers into the schema
}

// count is how many schemas apply where s does, MaxSubschemas+1 for any more.
func (x *expansion) count(s *jsonschema.Schema) int {
	n, known := x.applied[s]
	if known {
		if n == 0 {
			x.cycles = append(x.cycles, place(s))
		}
		return n
	}
	x.applied[s] = 0
	n = 1
	for _, sub := range here(s) {
		n = min(n+x.count(sub), MaxSubschemas+1)
	}
	x.applied[s] = n
	return n
}

// place is where in its document a schema stands, as a JSON pointer; of those
// that the validator brings along, the whole.
func place(s *jsonschema.Schema) string {
	fragment, own := strings.CutPrefix(s.Location, schemaName+"#")
	if !own {
		return ""
	}
	if p, err := url.PathUnescape(fragment); err == nil {
		return p
	}
	return fragment
}

// bounded refuses a schema that no value could be checked against, or none
// with a bounded effort.
func (p *parser) bounded(pointer string, all []*jsonschema.Schema) bool {
	x := expansion{applied: map[*jsonschema.Schema]int{}}
	most := 0
	for _, s := range all {
		if s.DynamicRef != nil || s.RecursiveRef != nil {
			p.fault(pointer+place(s), "$dynamicRef and $recursiveRef are not supported; use $ref")
			return false
		}
		most = max(most, x.count(s))
	}
	slices.Sort(x.cycles)
	for _, at := range slices.Compact(x.cycles) {
		p.fault(pointer+at, "leads back to itself for the same value, so that nothing could ever be checked; a schema may refer to itself only for parts of the value, below properties, items or the like")
	}
	if most > MaxSubschemas {
		p.fault(pointer, "must apply at most %d schemas to one place of a value, once $ref, anyOf, oneOf, allOf and the like are followed", MaxSubschemas)
	}
	return len(x.cycles) == 0 && most <= MaxSubschemas
}

// subschemas is an upper bound of the schemas in a schema as it was given.
func subschemas(v any) int {
	switch v := v.(type) {
	case bool:
		return 1
	case []any:
		n := 0
		for _, e := range v {
			n += subschemas(e)
		}
		return n
	case map[string]any:
		n := 1
		for _, e := range v {
			n += subschemas(e)
		}
		return n
	}
	return 0
}
