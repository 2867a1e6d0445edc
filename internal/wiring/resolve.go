package wiring

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A value that refers to a resource or to something AWS fills in is kept as
// ${Name} or ${Name.Attr}; everything else becomes its text.
var (
	reference = regexp.MustCompile(`^\$\{([A-Za-z0-9]+)(?:\.([A-Za-z0-9.]+))?\}$`)
	inSub     = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)
)

// intrinsic names the function of a node and its argument: !Ref x, or
// {Ref: x}; name is "" for a plain value.
func intrinsic(n *yaml.Node) (name string, arg *yaml.Node) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return n.Tag[1:], n
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		key := n.Content[0].Value
		if fn, ok := strings.CutPrefix(key, "Fn::"); ok {
			return fn, n.Content[1]
		}
		if key == "Ref" || key == "Condition" {
			return key, n.Content[1]
		}
	}
	return "", n
}

// value resolves If around a node and returns what stands there; nil for
// AWS::NoValue.
func (t *template) value(n *yaml.Node, of string) (*yaml.Node, error) {
	for n != nil {
		name, arg := intrinsic(n)
		if name == "Ref" && arg.Value == "AWS::NoValue" {
			return nil, nil
		}
		if name != "If" {
			return n, nil
		}
		if len(arg.Content) != 3 {
			return nil, t.errorAt(n, of, "If takes a condition and two values")
		}
		holds, err := t.condition(arg.Content[0].Value, arg.Content[0], of)
		if err != nil {
			return nil, err
		}
		if n = arg.Content[2]; holds {
			n = arg.Content[1]
		}
	}
	return nil, nil
}

// text is the text of a node; references are kept as ${Name.Attr}.
func (t *template) text(n *yaml.Node, of string) (string, error) {
	n, err := t.value(n, of)
	if err != nil || n == nil {
		return "", err
	}
	name, arg := intrinsic(n)
	switch name {
	case "":
		if n.Kind != yaml.ScalarNode {
			return "", t.errorAt(n, of, "a single value is expected here")
		}
		return n.Value, nil
	case "Ref":
		return t.named(n, of, arg.Value)
	case "GetAtt":
		return t.named(n, of, attribute(arg))
	case "Sub":
		return t.substitute(n, arg, of)
	case "FindInMap":
		return t.lookUp(n, arg, of)
	}
	return "", t.errorAt(n, of, "%s is not understood by the one-machine program; use a literal, Ref, GetAtt, Sub, If or FindInMap", name)
}

// lookUp is the value that FindInMap finds in the template's Mappings.
func (t *template) lookUp(n, arg *yaml.Node, of string) (string, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
		return "", t.errorAt(n, of, "FindInMap takes the name of a mapping and two keys")
	}
	found, path := mustChild(t.root, "Mappings"), make([]string, 3)
	for i, key := range arg.Content {
		var err error
		if path[i], err = t.text(key, of); err != nil {
			return "", err
		}
		found = mustChild(found, path[i])
	}
	if found == nil || found.Kind != yaml.ScalarNode {
		return "", t.errorAt(n, of, "finds nothing under Mappings at %s", strings.Join(path, ", "))
	}
	return found.Value, nil
}

// attribute is the argument of GetAtt in its short or its long form.
func attribute(arg *yaml.Node) string {
	if arg.Kind != yaml.SequenceNode {
		return arg.Value
	}
	parts := make([]string, len(arg.Content))
	for i, c := range arg.Content {
		parts[i] = c.Value
	}
	return strings.Join(parts, ".")
}

func (t *template) substitute(n, arg *yaml.Node, of string) (string, error) {
	if arg.Kind != yaml.ScalarNode {
		return "", t.errorAt(n, of, "Sub with a map of its own is not understood by the one-machine program; use Sub with a text")
	}
	var failed error
	out := inSub.ReplaceAllStringFunc(arg.Value, func(m string) string {
		s, err := t.named(n, of, m[2:len(m)-1])
		if err != nil && failed == nil {
			failed = err
		}
		return s
	})
	return out, failed
}

// named resolves Name or Name.Attr: a parameter's default, or a reference to
// a resource that must exist.
func (t *template) named(n *yaml.Node, of, name string) (string, error) {
	if strings.HasPrefix(name, "AWS::") {
		return "${" + name + "}", nil
	}
	id, attr, _ := strings.Cut(name, ".")
	if v, ok := t.params[id]; ok && attr == "" {
		return v, nil
	}
	if !t.declared(id) {
		return "", t.errorAt(n, of, "names %s, which is not declared", id)
	}
	return "${" + name + "}", nil
}

// declared reports whether a resource has this id. SAM makes resources of its
// own: a function's URL is <Function>Url.
func (t *template) declared(id string) bool {
	if _, ok := t.resources[id]; ok {
		return true
	}
	f, isURL := strings.CutSuffix(id, "Url")
	r, ok := t.resources[f]
	return isURL && ok && mustChild(r.props, "FunctionUrlConfig") != nil
}

// condition evaluates a condition by name.
func (t *template) condition(name string, at *yaml.Node, of string) (bool, error) {
	n, ok := t.conditions[name]
	if !ok {
		return false, t.errorAt(at, of, "names condition %s, which is not declared", name)
	}
	if t.evaluating[name] {
		return false, t.errorAt(at, of, "condition %s depends on itself", name)
	}
	t.evaluating[name] = true
	defer delete(t.evaluating, name)
	return t.holds(n, of)
}

func (t *template) holds(n *yaml.Node, of string) (bool, error) {
	name, arg := intrinsic(n)
	switch name {
	case "Condition":
		return t.condition(arg.Value, n, of)
	case "Equals":
		if len(arg.Content) != 2 {
			return false, t.errorAt(n, of, "Equals takes two values")
		}
		a, err := t.text(arg.Content[0], of)
		if err != nil {
			return false, err
		}
		b, err := t.text(arg.Content[1], of)
		return a == b, err
	case "Not", "And", "Or":
		return t.combine(name, n, arg, of)
	}
	return false, t.errorAt(n, of, "a condition is one of Equals, Not, And, Or, Condition")
}

func (t *template) combine(name string, n, arg *yaml.Node, of string) (bool, error) {
	if len(arg.Content) == 0 || name == "Not" && len(arg.Content) != 1 {
		return false, t.errorAt(n, of, "%s takes a list of conditions", name)
	}
	for _, c := range arg.Content {
		holds, err := t.holds(c, of)
		if err != nil {
			return false, err
		}
		switch {
		case name == "Not":
			return !holds, nil
		case holds == (name == "Or"):
			return holds, nil
		}
	}
	return name == "And", nil
}
