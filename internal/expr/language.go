package expr

import (
	"errors"
	"strings"

	lang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm/runtime"
)

var (
	errTooLong = &Error{Message: "it builds a string that is too long"}
	errTooMany = &Error{Message: "it builds a list that is too long"}
)

// language is what differs from the library's own: no clock, everything over
// maps in the order of keys, and a bound on whatever builds something larger
// than its arguments.
var language = []lang.Option{
	lang.DisableBuiltin("now"), lang.DisableBuiltin("date"), lang.DisableBuiltin("duration"), lang.DisableBuiltin("timezone"),
	replace("keys", keys, new(func(map[string]any) []any)),
	replace("values", values, new(func(map[string]any) []any)),
	replace("toPairs", toPairs, new(func(map[string]any) []any)),
	replace("toJSON", toJSON, new(func(any) string)),
	replace("fromJSON", fromJSON, new(func(string) any)),
	replace("repeat", repeat, new(func(string, int) string)),
	replace("replace", replaceAll, new(func(string, string, string) string)),
	replace("join", join, new(func([]any, string) string), new(func([]any) string), new(func([]string, string) string), new(func([]string) string)),
	replace("concat", concat),
	replace("flatten", flatten, new(func([]any) []any)),
	lang.Function(addName, add),
	lang.Patch(boundedAdd{}),
}

func replace(name string, f func(args ...any) (any, error), types ...any) lang.Option {
	disable, define := lang.DisableBuiltin(name), lang.Function(name, f, types...)
	return func(c *configOf) { disable(c); define(c) }
}

// addName is the function that + becomes where its operands may be strings.
const addName = "__add"

type boundedAdd struct{}

// Visit replaces + so that doubling a string again and again stays bounded.
func (boundedAdd) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.BinaryNode)
	if !ok || n.Operator != "+" {
		return
	}
	if t := n.Type(); t != nil && t.Kind() != kindString && t.Kind() != kindAny {
		return
	}
	t := n.Type()
	ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: addName}, Arguments: []ast.Node{n.Left, n.Right}})
	(*node).SetType(t)
}

func add(args ...any) (any, error) {
	a, ok := args[0].(string)
	b, too := args[1].(string)
	if ok && too && len(a)+len(b) > maxString {
		return nil, errTooLong
	}
	return runtime.Add(args[0], args[1]), nil
}

func object1(v any) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, &Error{Message: "a function that needs an object got " + kindOf(v)}
	}
	return m, nil
}

func keys(args ...any) (any, error) {
	m, err := object1(args[0])
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, k)
	}
	return out, nil
}

func values(args ...any) (any, error) {
	m, err := object1(args[0])
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, m[k])
	}
	return out, nil
}

func toPairs(args ...any) (any, error) {
	m, err := object1(args[0])
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, []any{k, m[k]})
	}
	return out, nil
}

func toJSON(args ...any) (any, error) {
	v, err := normal(args[0], 0)
	if err != nil {
		return nil, err
	}
	b, err := Encode(v)
	if err == nil && len(b) > maxString {
		err = errTooLong
	}
	return string(b), err
}

func fromJSON(args ...any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return nil, &Error{Message: "fromJSON needs a string"}
	}
	v, err := Decode([]byte(s))
	if err != nil {
		return nil, &Error{Message: "fromJSON got a string that is not JSON"}
	}
	return v, nil
}

func repeat(args ...any) (any, error) {
	s, ok := args[0].(string)
	n, too := args[1].(int)
	if !ok || !too || n < 0 {
		return nil, &Error{Message: "repeat needs a string and a number of at least 0"}
	}
	if len(s) > 0 && n > maxString/len(s) {
		return nil, errTooLong
	}
	return strings.Repeat(s, n), nil
}

func replaceAll(args ...any) (any, error) {
	var s [3]string
	for i := range s {
		v, ok := args[i].(string)
		if !ok {
			return nil, &Error{Message: "replace needs three strings"}
		}
		s[i] = v
	}
	n := strings.Count(s[0], s[1])
	if len(s[0])+n*(len(s[2])-len(s[1])) > maxString {
		return nil, errTooLong
	}
	return strings.ReplaceAll(s[0], s[1], s[2]), nil
}

func join(args ...any) (any, error) {
	v, err := normal(args[0], 0)
	list, ok := v.([]any)
	glue := ""
	if len(args) > 1 {
		g, is := args[1].(string)
		glue, ok = g, ok && is
	}
	if err != nil || !ok {
		return nil, &Error{Message: "join needs a list of strings and a string"}
	}
	total, parts := 0, make([]string, len(list))
	for i, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil, &Error{Message: "join needs a list of strings; use map(…, string(#)) first"}
		}
		if total += len(s) + len(glue); total > maxString {
			return nil, errTooLong
		}
		parts[i] = s
	}
	return strings.Join(parts, glue), nil
}

func concat(args ...any) (any, error) {
	var out []any
	for _, a := range args {
		v, err := normal(a, 0)
		list, ok := v.([]any)
		if err != nil || !ok {
			return nil, &Error{Message: "concat needs lists"}
		}
		if len(out)+len(list) > maxList {
			return nil, errTooMany
		}
		out = append(out, list...)
	}
	return out, nil
}

func flatten(args ...any) (any, error) {
	v, err := normal(args[0], 0)
	list, ok := v.([]any)
	if err != nil || !ok {
		return nil, &Error{Message: "flatten needs a list"}
	}
	return flat(nil, list)
}

func flat(out, list []any) ([]any, error) {
	for _, e := range list {
		var err error
		if inner, ok := e.([]any); ok {
			out, err = flat(out, inner)
		} else {
			out = append(out, e)
		}
		if err != nil || len(out) > maxList {
			return nil, errors.Join(err, errTooMany)
		}
	}
	return out, nil
}
