package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// withInput is a document with this input schema, and the same for a callback.
func withInput(schema string) (*Document, error) {
	return Parse([]byte(`{"name": "w", "input": ` + schema + `, "steps": [{"id": "a", "type": "callback", "schema": ` + schema + `}]}`))
}

// twofold is a schema that has 2 to the power of n leaves.
func twofold(n int, rest string) string {
	defs := `"n0": {"type": "string"}`
	for i := range n {
		defs += fmt.Sprintf(`, "n%d": {"anyOf": [{"$ref": "#/$defs/n%d"}, {"$ref": "#/$defs/n%d"}]}`, i+1, i, i)
	}
	return `{"$defs": {` + defs + `}, ` + strings.ReplaceAll(rest, "LAST", fmt.Sprintf("#/$defs/n%d", n)) + `}`
}

func refused(t *testing.T, schema, at, detail string) {
	t.Helper()
	_, err := withInput(schema)
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 2 {
		t.Errorf("%.200s: got %v, want a fault of the input and one of the callback", schema, err)
		return
	}
	for i, place := range []string{"/input", "/steps/0/schema"} {
		if f := faults[i]; f.Pointer != place+at || !strings.Contains(f.Detail, detail) {
			t.Errorf("%.200s: got %q, want %q at %s", schema, f, detail, place+at)
		}
	}
}

// The validator follows every branch, so a small schema could ask for more
// than there is.
func TestSchemasThatAskForTooMuch(t *testing.T) {
	t.Parallel()
	refused(t, twofold(13, `"$ref": "LAST"`), "", "must apply at most 10000 schemas to one place")
	refused(t, twofold(13, `"properties": {"a": {"$ref": "LAST"}}`), "", "must apply at most 10000 schemas to one place")
	refused(t, `{"allOf": [`+strings.Repeat("true, ", MaxSubschemas)+`true]}`, "", "must hold at most 10000 schemas")
	refused(t, `{"pattern": "`+strings.Repeat("a", MaxPattern+1)+`"}`, "/pattern", "at most 2000 characters")
	refused(t, `{"pattern": "`+strings.Repeat("(a{900})", 240)+`"}`, "/pattern", "too large together")
	refused(t, `{"properties": {"a": {"$dynamicRef": "#b", "$dynamicAnchor": "b"}}}`, "/properties/a", "use $ref")
	if _, err := withInput(twofold(10, `"$ref": "LAST"`)); err != nil {
		t.Errorf("a schema of ordinary size: %v", err)
	}
}

func listOfAny(n int, item func(i int) any) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = item(i)
	}
	return list
}

func nested(v any, times int) any {
	for range times {
		v = []any{v}
	}
	return v
}

// Whoever may send a value may choose it so that it costs most: it is refused
// before the validator sees it.
func TestValuesThatAskForTooMuch(t *testing.T) {
	t.Parallel()
	number := func(i int) any { return i }
	for name, c := range map[string]struct {
		schema string
		value  any
	}{
		"branches of every item": {twofold(9, `"items": {"$ref": "LAST"}`), listOfAny(3000, number)},
		"branches of every level": {
			`{"items": {"$ref": "#"}, "contains": {"$ref": "#"}, "prefixItems": [{"$ref": "#"}]}`, nested(1, 13),
		},
		"names by patterns":   {`{"patternProperties": {"(a?){900}a{900}": {}}}`, map[string]any{strings.Repeat("a", 200_000): 1}},
		"a text by a pattern": {`{"pattern": "(a?){900}a{900}"}`, strings.Repeat("a", 200_000)},
		"every item by an enumeration": {
			`{"items": {"enum": [` + strings.Repeat("0, ", 9999) + `0]}}`, listOfAny(1000, func(i int) any { return i + 1 }),
		},
		"items that are long": {`{"items": {"uniqueItems": true}}`, listOfAny(100, func(int) any { return listOfAny(11_000, number) })},
	} {
		d, err := withInput(c.schema)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, faults := range [][]Fault{d.CheckInput(c.value), d.Steps[0].CheckPayload(c.value)} {
			if len(faults) != 1 || faults[0].Pointer != "" || !strings.Contains(faults[0].Detail, "too large to be checked against its schema") {
				t.Errorf("%s: got %.300q, want one fault that says so", name, faults)
			}
		}
	}
}

// Much that is ordinary is still checked.
func TestLargeValuesAreChecked(t *testing.T) {
	t.Parallel()
	d, err := withInput(`{"type": "array", "uniqueItems": true, "items": {"type": "object", "required": ["id", "email"], "additionalProperties": false, "properties": {
		"id": {"type": "integer", "minimum": 0}, "email": {"type": "string", "pattern": "^[^@]+@[^@]+$", "maxLength": 100},
		"tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}}, "next": {"anyOf": [{"type": "null"}, {"type": "string"}]}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	order := func(i int) any {
		return map[string]any{"id": i, "email": "somebody@example.com", "tags": []any{"a", "b"}, "next": nil}
	}
	orders := listOfAny(10_000, order)
	if f := d.CheckInput(orders); f != nil {
		t.Errorf("got %v, want no fault", f)
	}
	orders[9_999] = order(9_998)
	if f := d.CheckInput(orders); len(f) != 1 || f[0].Detail != "items at 9,998 and 9,999 are equal" {
		t.Errorf("got %v, want the two that are the same", f)
	}
}

// However much is wrong, what is said of it can be read.
func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		schema string
		value  any
		want   int
		first  Fault
	}{
		"of a list": {`{"contains": {"const": "x"}}`, listOfAny(100_000, func(i int) any { return i }), 101, Fault{"/0", "value must be 'x'"}},
		"of an object": {`{"additionalProperties": false}`, func() any {
			o := map[string]any{}
			for i := range 1000 {
				o[fmt.Sprintf("k%03d", i)] = i
			}
			return o
		}(), 101, Fault{"/k000", "is not allowed here"}},
		"of branches":      {twofold(9, `"$ref": "LAST"`), 5, 1, Fault{"", "got number, want string"}},
		"as many as told":  {`{"items": false}`, listOfAny(100, func(i int) any { return i }), 100, Fault{"/0", "false schema"}},
		"of a long text":   {`{"pattern": "^[0-9]+$"}`, long, 1, Fault{"", `does not match the pattern "^[0-9]+$"`}},
		"of a long name":   {`{"additionalProperties": {"type": "null"}}`, map[string]any{long: 1}, 1, Fault{"/" + long[:mostPart] + "…", "got number, want null"}},
		"of a wrong name":  {`{"properties": {"a": {"propertyNames": {"maxLength": 1}}}}`, map[string]any{"a": map[string]any{"bc": 1}}, 1, Fault{"/a/bc", "maxLength: got 2, want 1"}},
		"with a long name": {`{"required": ["` + long[:100_000] + `"]}`, map[string]any{}, 1, Fault{"", "missing property '" + long[:mostDetail-len("missing property '")] + "…"}},
	} {
		d, err := withInput(c.schema)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := d.CheckInput(c.value)
		if len(got) != c.want || got[0] != c.first {
			t.Errorf("%s: got %d faults, the first %.300q; want %d and %.300q", name, len(got), got[:min(1, len(got))], c.want, c.first)
			continue
		}
		if last := got[len(got)-1]; c.want > MaxViolations && last != (Fault{"", "has more faults than the 100 told here"}) {
			t.Errorf("%s: got %q as the last fault, want that there are more", name, last)
		}
		if b, err := json.Marshal(got); err != nil || len(b) > 64<<10 {
			t.Errorf("%s: %d bytes, %v; want a few", name, len(b), err)
		}
	}
}

func TestUniqueItems(t *testing.T) {
	t.Parallel()
	d, err := withInput(`{"uniqueItems": true, "contains": {"not": {"type": "array", "uniqueItems": true}}}`)
	if err != nil {
		t.Fatal(err)
	}
	// Both lists have the same hash where only the sequence of texts counts.
	apart := []any{[]any{"a\x04b"}, []any{"a", "b"}, []any{[]any{"a"}, "b"}, 1, 1.5, "1", nil, true, map[string]any{"a": 1, "b": 2}, map[string]any{"a": 2, "b": 1}}
	if f := d.CheckInput(apart); f != nil {
		t.Errorf("got %v, want no fault", f)
	}
	for _, same := range []any{1, 1.5, "1", nil, []any{"a", "b"}, map[string]any{"b": 2, "a": 1}} {
		if f := d.CheckInput(append(apart[:len(apart):len(apart)], same)); len(f) != 1 || !strings.Contains(f[0].Detail, "are equal") {
			t.Errorf("%v twice: got %v, want one fault", same, f)
		}
	}
	if f := d.CheckInput([]any{0.0, math.Copysign(0, -1), []any{1}}); len(f) == 0 {
		t.Error("zero twice was taken")
	}
}

// A schema may refer to itself for a part of the value, not for the value.
func TestSchemasThatReferToThemselves(t *testing.T) {
	t.Parallel()
	const itself = "leads back to itself for the same value"
	for schema, at := range map[string]string{
		`{"$ref": "#"}`: "",
		`{"not": {"anyOf": [true, {"$ref": "#"}]}}`:                                                     "",
		`{"dependentSchemas": {"a": {"$ref": "#"}}}`:                                                    "",
		`{"if": true, "then": {"$ref": "#"}}`:                                                           "",
		`{"properties": {"a b": {"allOf": [{"$ref": "#/properties/a%20b"}]}}}`:                          "/properties/a b",
		`{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}`:      "/$defs/a",
		`{"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"$anchor": "x", "oneOf": [{"$ref": "#x"}]}}}`: "/$defs/a",
	} {
		refused(t, schema, at, itself)
	}
	d, err := withInput(`{"type": "object", "required": ["name"], "properties": {"name": {"type": "string"},
		"children": {"type": "array", "items": {"$ref": "#"}}, "left": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	node := func(name any) map[string]any { return map[string]any{"name": name, "left": nil} }
	tree := node("root")
	tree["children"], tree["left"] = []any{node("a"), node("b")}, node("c")
	if f := d.CheckInput(tree); f != nil {
		t.Errorf("got %v, want no fault", f)
	}
	tree["children"] = []any{node("a"), node(5)}
	if f := d.CheckInput(tree); len(f) != 1 || f[0] != (Fault{"/children/1/name", "got number, want string"}) {
		t.Errorf("got %v, want the fault of the second child", f)
	}
}

// A schema that needs another address is told so, and never where this runs.
func TestSchemasStandByThemselves(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{"http://example.com/s", "common.json", "file:///etc/passwd", "/a#/b"} {
		refused(t, `{"$ref": "`+ref+`"}`, "", "must not refer to another address")
	}
	refused(t, `{"$schema": "http://example.com/s"}`, "", "must not refer to another address")
	refused(t, `{"$ref": "#/$defs/gone"}`, "", "a reference or a pattern in it cannot be used")
	if _, err := withInput(`{"$id": "order.json", "$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}`); err != nil {
		t.Errorf("a name of its own: %v", err)
	}
}
