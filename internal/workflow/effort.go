package workflow

import (
	"math/big"
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// MaxEffort bounds the checking of one value: the schemas that apply to its
// places, each counted once for every place and way it is reached by, and long
// texts, lists and patterns as several.
const MaxEffort = 1_000_000

// facts are what the effort of a schema is reckoned with.
type facts struct {
	weight  int      // of the schema by itself, on any value
	types   []string // empty: of any type
	here    []*jsonschema.Schema
	unique  bool
	pattern int // instructions
}

func factsOf(all []*jsonschema.Schema) map[*jsonschema.Schema]*facts {
	out := make(map[*jsonschema.Schema]*facts, len(all))
	for _, s := range all {
		f := &facts{weight: max(1, asserted(s)) + len(s.Required), here: here(s), unique: s.UniqueItems}
		if s.Types != nil {
			f.types = s.Types.ToStrings()
		}
		if s.Enum != nil {
			f.weight += places(s.Enum.Values)
		}
		if s.Const != nil {
			f.weight += places(*s.Const)
		}
		for _, names := range s.DependentRequired {
			f.weight += 1 + len(names)
		}
		for _, v := range s.Dependencies {
			names, _ := v.([]string)
			f.weight += 1 + len(names)
		}
		f.pattern = instructions(s.Pattern)
		out[s] = f
	}
	return out
}

// asserted is how many faults the schema by itself may find with one value.
func asserted(s *jsonschema.Schema) int {
	n := 0
	for _, bound := range []*big.Rat{s.Minimum, s.Maximum, s.ExclusiveMinimum, s.ExclusiveMaximum, s.MultipleOf} {
		if bound != nil {
			n++
		}
	}
	for _, bound := range []*int{s.MinLength, s.MaxLength, s.MinItems, s.MaxItems, s.MinContains, s.MaxContains, s.MinProperties, s.MaxProperties} {
		if bound != nil {
			n++
		}
	}
	return n
}

// places is the number of values in a value, its own included.
func places(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n += places(e)
		}
	case map[string]any:
		for _, e := range v {
			n += places(e)
		}
	}
	return n
}

// effort walks a value as the validator would if every branch failed, and
// stops when too much is spent: what the validator does is bounded by it, its
// tree of errors too, and so is the walk.
type effort struct {
	facts map[*jsonschema.Schema]*facts
	// unevaluated: the schema asks for unevaluated parts somewhere, for which
	// the validator copies the names of an object at every step.
	unevaluated bool
	left        int
}

func (e *effort) spend(n int) bool {
	e.left -= n
	return e.left >= 0
}

// visit is false when too much is spent. Every error holds the way to its
// place, and every step looks for itself among those above it on the same
// place: depth and chain are how long both are.
func (e *effort) visit(s *jsonschema.Schema, v any, depth, chain int) bool {
	f := e.facts[s]
	if !e.spend(f.weight + depth/8 + chain/8) {
		return false
	}
	if s.Bool != nil || len(f.types) > 0 && !ofType(f.types, v) {
		return true
	}
	for _, sub := range f.here {
		if !e.visit(sub, v, depth, chain+1) {
			return false
		}
	}
	switch v := v.(type) {
	case string:
		return e.text(s, f, v)
	case []any:
		return e.list(s, f, v, depth+1)
	case map[string]any:
		return e.object(s, v, depth+1)
	}
	return true
}

// ofType may take a number for an integer that is none.
func ofType(types []string, v any) bool {
	switch v.(type) {
	case nil:
		return slices.Contains(types, "null")
	case bool:
		return slices.Contains(types, "boolean")
	case string:
		return slices.Contains(types, "string")
	case []any:
		return slices.Contains(types, "array")
	case map[string]any:
		return slices.Contains(types, "object")
	}
	return slices.Contains(types, "number") || slices.Contains(types, "integer")
}

func (e *effort) text(s *jsonschema.Schema, f *facts, v string) bool {
	n := len(v) / 1024 * f.weight
	if s.Format != nil {
		n += len(v) / 16
	}
	return e.spend(n + matching(f.pattern, v))
}

// matching is the effort of a pattern of so many instructions.
func matching(instructions int, v string) int { return len(v) * instructions / 256 }

func (e *effort) list(s *jsonschema.Schema, f *facts, v []any, depth int) bool {
	if e.unevaluated && !e.spend(len(v)/4) || f.unique && !e.items(v) {
		return false
	}
	if of, ok := s.Items.([]*jsonschema.Schema); ok && !e.each(of, v, depth) {
		return false
	}
	if !e.each(s.PrefixItems, v, depth) {
		return false
	}
	items, _ := s.Items.(*jsonschema.Schema)
	additional, _ := s.AdditionalItems.(*jsonschema.Schema)
	for _, of := range []*jsonschema.Schema{s.Items2020, items, additional, s.Contains, s.UnevaluatedItems} {
		for _, item := range v {
			if of == nil {
				break
			}
			if !e.visit(of, item, depth, 0) {
				return false
			}
		}
	}
	return true
}

func (e *effort) each(of []*jsonschema.Schema, v []any, depth int) bool {
	for i := range min(len(of), len(v)) {
		if !e.visit(of[i], v[i], depth, 0) {
			return false
		}
	}
	return true
}

// items is the effort to tell the items of a list apart.
func (e *effort) items(v any) bool {
	if !e.spend(1) {
		return false
	}
	switch v := v.(type) {
	case string:
		return e.spend(len(v) / 64)
	case []any:
		for _, item := range v {
			if !e.items(item) {
				return false
			}
		}
	case map[string]any:
		for name, item := range v {
			if !e.spend(len(name)/64) || !e.items(item) {
				return false
			}
		}
	}
	return true
}

func (e *effort) object(s *jsonschema.Schema, v map[string]any, depth int) bool {
	if e.unevaluated && !e.spend(len(v)/4) {
		return false
	}
	for name, item := range v {
		of, known := s.Properties[name]
		if known && !e.visit(of, item, depth, 0) {
			return false
		}
		for p, of := range s.PatternProperties {
			if !e.spend(1 + matching(instructions(p), name)) {
				return false
			}
			if !p.MatchString(name) {
				continue
			}
			if known = true; !e.visit(of, item, depth, 0) {
				return false
			}
		}
		additional, _ := s.AdditionalProperties.(*jsonschema.Schema)
		for _, of := range []*jsonschema.Schema{additional, s.UnevaluatedProperties} {
			if of != nil && !known && !e.visit(of, item, depth, 0) {
				return false
			}
		}
		if s.PropertyNames != nil && !e.visit(s.PropertyNames, name, depth, 0) {
			return false
		}
		if allowed, ok := s.AdditionalProperties.(bool); ok && !allowed && !e.spend(1) {
			return false
		}
	}
	return true
}

// pattern is a regular expression that knows its size.
type pattern struct {
	*regexp.Regexp
	instructions int
}

func instructions(r jsonschema.Regexp) int {
	if p, ok := r.(*pattern); ok {
		return p.instructions
	}
	return 0
}

// patterns compiles the regular expressions of one schema, and no more than a
// small part of the memory there is.
type patterns struct{ left int }

func (c *patterns) compile(s string) (jsonschema.Regexp, error) {
	if len(s) > MaxPattern {
		return nil, errPatternLong
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if c.left -= len(prog.Inst); c.left < 0 {
		return nil, errPatterns
	}
	return &pattern{re, len(prog.Inst)}, nil
}
