package expr

import (
	"fmt"
	"math/bits"
	"reflect"
)

// functions are those and the operators whose cost depends on what they are
// given, by the name of what they stand for. Whatever goes over a map does so
// in the order of its keys. All that is not here takes a moment, whatever it
// is given, or is a loop.
var functions = map[string]metered{
	eachName: each, keyName: key,

	"==": equals, "!=": differs, "<": compare("<"), ">": compare(">"), "<=": compare("<="), ">=": compare(">="),
	"+": add, "..": span, "in": in, "contains": contains, "startsWith": startsWith, "endsWith": endsWith, "matches": matches,

	"len": looks("len"), "int": looks("int"), "float": looks("float"),
	"trimPrefix": looks("trimPrefix"), "trimSuffix": looks("trimSuffix"),
	"hasPrefix": looks("hasPrefix"), "hasSuffix": looks("hasSuffix"),
	"indexOf": looks("indexOf"), "lastIndexOf": looks("lastIndexOf"), "trim": trim,
	"upper": builds("upper"), "lower": builds("lower"), "toBase64": builds("toBase64"), "fromBase64": builds("fromBase64"),
	"repeat": repeat, "replace": replace, "split": cuts("split"), "splitAfter": cuts("splitAfter"), "join": join,
	"string": text, "toJSON": toJSON, "fromJSON": fromJSON,

	"min": digs("min"), "max": digs("max"), "mean": digs("mean"), "median": digs("median"),
	"keys": keys, "values": values, "toPairs": toPairs, "fromPairs": fromPairs,
	"reverse": reverse, "concat": concat, "flatten": flatten, "uniq": uniq, "sort": sortList,
}

func object1(m *meter, v any) (map[string]any, error) {
	o, ok := v.(map[string]any)
	if !ok {
		return nil, &Error{Message: "a function that needs an object got " + kindOf(v)}
	}
	return o, m.spend(perEntry * len(o))
}

func keys(m *meter, args []any) (any, error) {
	o, err := object1(m, args[0])
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(o))
	for _, k := range sortedKeys(o) {
		out = append(out, k)
	}
	return out, nil
}

func values(m *meter, args []any) (any, error) {
	o, err := object1(m, args[0])
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(o))
	for _, k := range sortedKeys(o) {
		out = append(out, o[k])
	}
	return out, nil
}

func toPairs(m *meter, args []any) (any, error) {
	o, err := object1(m, args[0])
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(o))
	for _, k := range sortedKeys(o) {
		out = append(out, []any{k, o[k]})
	}
	return out, nil
}

func fromPairs(m *meter, args []any) (any, error) {
	l, err := listOf(m, args[0], perEntry, "fromPairs")
	if err != nil {
		return nil, err
	}
	out := make(map[any]any, len(l))
	for _, p := range l {
		pair, err := listOf(m, p, 1, "fromPairs")
		if err == nil && len(pair) != 2 {
			err = &Error{Message: "fromPairs needs a list of pairs, each a list of a key and a value"}
		}
		if err != nil {
			return nil, err
		}
		k, err := key(m, []any{1, pair[0]})
		if err != nil {
			return nil, err
		}
		out[k] = pair[1]
	}
	return out, nil
}

// listOf is a list as []any; each element costs so much.
func listOf(m *meter, v any, each int, name string) ([]any, error) {
	if l, ok := v.([]any); ok {
		return l, m.spend(1 + each*len(l))
	}
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Slice && r.Kind() != reflect.Array {
		return nil, &Error{Message: name + " needs a list"}
	}
	if err := m.spend(1 + (each+perValue)*r.Len()); err != nil {
		return nil, err
	}
	out := make([]any, r.Len())
	for i := range out {
		out[i] = r.Index(i).Interface()
	}
	return out, nil
}

func reverse(m *meter, args []any) (any, error) {
	l, err := listOf(m, args[0], perValue, "reverse")
	if err != nil {
		return nil, err
	}
	out := make([]any, len(l))
	for i, e := range l {
		out[len(l)-1-i] = e
	}
	return out, nil
}

func concat(m *meter, args []any) (any, error) {
	var out []any
	for _, a := range args {
		l, err := listOf(m, a, perValue, "concat")
		if err != nil {
			return nil, err
		}
		if len(out)+len(l) > maxList {
			return nil, errTooMany
		}
		out = append(out, l...)
	}
	return out, nil
}

func flatten(m *meter, args []any) (any, error) {
	l, err := listOf(m, args[0], perValue, "flatten")
	if err != nil {
		return nil, err
	}
	return flat(m, nil, l, 0)
}

func flat(m *meter, out, l []any, depth int) ([]any, error) {
	if depth > maxNesting {
		return nil, errNesting
	}
	for _, e := range l {
		switch reflect.ValueOf(e).Kind() {
		case reflect.Slice, reflect.Array:
			inner, err := listOf(m, e, perValue, "flatten")
			if err == nil {
				out, err = flat(m, out, inner, depth+1)
			}
			if err != nil {
				return nil, err
			}
		default:
			out = append(out, e)
		}
		if len(out) > maxList {
			return nil, errTooMany
		}
	}
	return out, nil
}

// uniq keeps the first of equal elements, with one look at each.
func uniq(m *meter, args []any) (any, error) {
	l, err := listOf(m, args[0], perEntry, "uniq")
	if err != nil {
		return nil, err
	}
	seen := make(map[any]bool, len(l))
	out := []any{}
	for _, e := range l {
		id, err := identity(m, e)
		if err != nil {
			return nil, err
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, e)
		}
	}
	return out, nil
}

// composite tells the JSON of a list or an object from a string.
type composite string

// identity is the same for equal values, and hashes. 1 and 1.0 are equal.
func identity(m *meter, v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, m.look(v)
	case nil, bool, int:
		return v, nil
	case float64:
		if i := int(v); float64(i) == v {
			return i, nil
		}
		return v, nil
	}
	b, err := encoded(m, v)
	return composite(b), err
}

// encoded is the JSON of a value that expressions made.
func encoded(m *meter, v any) ([]byte, error) {
	if err := m.deep(v, 0); err != nil {
		return nil, err
	}
	n, err := normal(v, 0, m)
	if err != nil {
		return nil, err
	}
	b, err := Encode(n)
	if err != nil {
		return nil, err
	}
	return b, m.build(len(b))
}

func sortList(m *meter, args []any) (any, error) {
	l, err := listOf(m, args[0], perEntry, "sort")
	if err != nil {
		return nil, err
	}
	times := bits.Len(uint(len(l)))
	for _, e := range l {
		if _, err := key(m, []any{times, e}); err != nil {
			return nil, err
		}
	}
	return library("sort")(append([]any{l}, args[1:]...)...)
}

// digs is a function that looks into lists, however deep.
func digs(name string) metered {
	f := library(name)
	return func(m *meter, args []any) (any, error) {
		for _, a := range args {
			if err := m.deep(a, 0); err != nil {
				return nil, err
			}
		}
		return f(args...)
	}
}

// text is the language's string(…).
func text(m *meter, args []any) (any, error) {
	if s, ok := args[0].(string); ok {
		return s, nil
	}
	if err := m.deep(args[0], 0); err != nil {
		return nil, err
	}
	s := fmt.Sprint(args[0])
	return s, m.build(len(s))
}
