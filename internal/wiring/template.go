package wiring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// template is a loaded template: its resources by logical id, in order, and
// what expressions in it may refer to.
type template struct {
	file       string
	root       *yaml.Node
	globals    *yaml.Node // Globals.Function, nil for none
	resources  map[string]*resource
	order      []string
	params     map[string]string
	given      map[string]string // parameters with another value than their default
	conditions map[string]*yaml.Node
	evaluating map[string]bool // conditions being evaluated, to notice a circle
}

type resource struct {
	id    string
	kind  string // AWS::SQS::Queue
	props *yaml.Node
	node  *yaml.Node // the id's own node, for its line
}

func load(name string, src []byte, parameters map[string]string) (*template, error) {
	doc, err := onlyDocument(name, src)
	if err != nil {
		return nil, err
	}
	t := &template{
		file: name, resources: map[string]*resource{}, params: map[string]string{}, given: parameters,
		conditions: map[string]*yaml.Node{}, evaluating: map[string]bool{},
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &Error{File: name, Detail: "is no template: a mapping with Resources is expected"}
	}
	t.root = doc.Content[0]
	for _, step := range []func() error{func() error { return t.checkNodes(t.root) }, t.loadParameters, t.loadConditions, t.loadResources} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if _, ok := t.params[name]; !ok {
			return nil, &Error{File: t.file, Detail: "has no parameter " + name}
		}
	}
	t.globals, _ = child(mustChild(t.root, "Globals"), "Function")
	return t, nil
}

// onlyDocument is the file's YAML document. A second one would be ignored.
func onlyDocument(name string, src []byte) (doc yaml.Node, err error) {
	d := yaml.NewDecoder(bytes.NewReader(src))
	if err := d.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return doc, yamlError(name, err)
	}
	var more yaml.Node
	switch err := d.Decode(&more); {
	case errors.Is(err, io.EOF):
		return doc, nil
	case err != nil:
		return doc, yamlError(name, err)
	}
	return doc, &Error{File: name, Line: more.Line, Detail: "begins a second YAML document; a template is one, remove the --- between them"}
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// yamlError turns the parser's message, which may span lines, into one line.
func yamlError(name string, err error) *Error {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		return &Error{File: name, Line: line, Detail: "not readable as YAML: " + m[2]}
	}
	return &Error{File: name, Detail: "not readable as YAML: " + strings.Join(strings.Fields(err.Error()), " ")}
}

// checkNodes refuses what YAML allows and templates do not: the same key
// twice, of which all but one would be ignored, and aliases.
func (t *template) checkNodes(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		return t.errorAt(n, "", "YAML aliases are not supported in a template; write the value out")
	}
	if n.Kind == yaml.MappingNode {
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if first, dup := seen[k.Value]; dup {
				return t.errorAt(k, "", "%s is given twice, first in line %d", k.Value, first)
			}
			seen[k.Value] = k.Line
		}
	}
	for _, c := range n.Content {
		if err := t.checkNodes(c); err != nil {
			return err
		}
	}
	return nil
}

func (t *template) loadParameters() error {
	return each(mustChild(t.root, "Parameters"), func(key, value *yaml.Node) error {
		def, ok := child(value, "Default")
		switch secret := mustChild(value, "NoEcho"); {
		case ok:
			t.params[key.Value] = def.Value
		case secret != nil && secret.Value == "true": // given when deploying; the one-machine program has its own
			t.params[key.Value] = "${" + key.Value + "}"
		default:
			return t.errorAt(key, "Parameters", "%s has no Default, which the one-machine program needs", key.Value)
		}
		if v, ok := t.given[key.Value]; ok {
			t.params[key.Value] = v
		}
		return nil
	})
}

func (t *template) loadConditions() error {
	return each(mustChild(t.root, "Conditions"), func(key, value *yaml.Node) error {
		t.conditions[key.Value] = value
		return nil
	})
}

func (t *template) loadResources() error {
	all, ok := child(t.root, "Resources")
	if !ok {
		return &Error{File: t.file, Detail: "has no Resources"}
	}
	return each(all, func(key, value *yaml.Node) error {
		if c, ok := child(value, "Condition"); ok {
			if holds, err := t.condition(c.Value, c, key.Value); err != nil || !holds {
				return err
			}
		}
		kind, ok := child(value, "Type")
		if !ok {
			return t.errorAt(key, key.Value, "has no Type")
		}
		t.resources[key.Value] = &resource{id: key.Value, kind: kind.Value, props: mustChild(value, "Properties"), node: key}
		t.order = append(t.order, key.Value)
		return nil
	})
}

// ofKind lists the resources of one type in the template's order.
func (t *template) ofKind(kind string) []*resource {
	var out []*resource
	for _, id := range t.order {
		if r := t.resources[id]; r.kind == kind {
			out = append(out, r)
		}
	}
	return out
}

func (t *template) errorAt(n *yaml.Node, resource, format string, args ...any) *Error {
	e := &Error{File: t.file, Resource: resource, Detail: fmt.Sprintf(format, args...)}
	if n != nil {
		e.Line = n.Line
	}
	return e
}

// child is the value under key in a mapping.
func child(n *yaml.Node, key string) (*yaml.Node, bool) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1], true
		}
	}
	return nil, false
}

// mustChild is child, nil where there is none.
func mustChild(n *yaml.Node, key string) *yaml.Node {
	c, _ := child(n, key)
	return c
}

// each walks a mapping in order; nil is an empty one.
func each(n *yaml.Node, f func(key, value *yaml.Node) error) error {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if err := f(n.Content[i], n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}
