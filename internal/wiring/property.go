package wiring

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// number is a whole number under key, def where it is absent, refused outside
// least to most.
func (t *template) number(props *yaml.Node, key, of string, def, least, most int) (int, error) {
	n, ok := child(props, key)
	if !ok {
		return def, nil
	}
	s, err := t.text(n, of)
	if err != nil {
		return 0, err
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < least || v > most {
		return 0, t.errorAt(n, of, "%s is %q; it must be a whole number from %d to %d", key, s, least, most)
	}
	return v, nil
}

// known refuses properties that would be ignored.
func (t *template) known(props *yaml.Node, of, what string, names ...string) error {
	return each(props, func(key, _ *yaml.Node) error {
		if !slices.Contains(names, key.Value) {
			return t.errorAt(key, of, "%s has property %s, which is not understood; it may have %s", what, key.Value, strings.Join(names, ", "))
		}
		return nil
	})
}

// queueNamed is the id of the queue that a node refers to by Ref or GetAtt.
func (t *template) queueNamed(n *yaml.Node, of, what string) (string, error) {
	n, err := t.value(n, of)
	if err != nil {
		return "", err
	}
	if n == nil {
		return "", t.errorAt(nil, of, "%s names no queue", what)
	}
	if id := referred(n); id != "" && !t.declared(id) {
		return "", t.errorAt(n, of, "%s names queue %s, which is not declared", what, id)
	}
	s, err := t.text(n, of)
	if err != nil {
		return "", err
	}
	if m := reference.FindStringSubmatch(s); len(m) > 1 {
		if r := t.resources[m[1]]; r != nil && r.kind == queueKind {
			return r.id, nil
		}
	}
	return "", t.errorAt(n, of, "%s names %q, which is no queue of this template; use !GetAtt <Queue>.Arn", what, s)
}

// referred is the id a plain Ref or GetAtt names, "" for anything else.
func referred(n *yaml.Node) string {
	switch name, arg := intrinsic(n); name {
	case "Ref":
		return arg.Value
	case "GetAtt":
		id, _, _ := strings.Cut(attribute(arg), ".")
		return id
	}
	return ""
}
