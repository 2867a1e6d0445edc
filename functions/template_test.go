package functions_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// tree is a template with its intrinsic functions as text: !Ref A and !GetAtt
// A.B are ${A} and ${A.B}, a !Sub is its text, an !If both its values.
type tree map[string]any

func parseTemplate(src []byte) (tree, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("the template is empty")
	}
	m, ok := plain(doc.Content[0]).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the template is no mapping")
	}
	return m, nil
}

func plain(n *yaml.Node) any {
	switch n.Tag {
	case "!Ref", "!GetAtt":
		return "${" + n.Value + "}"
	case "!If":
		return []any{plain(n.Content[1]), plain(n.Content[2])}
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		s := make([]any, len(n.Content))
		for i, c := range n.Content {
			s[i] = plain(c)
		}
		return s
	}
	return n.Value
}

// at is the value below a path of keys, nil where there is none.
func at(v any, keys ...string) any {
	for _, k := range keys {
		switch m := v.(type) {
		case tree:
			v = m[k]
		case map[string]any:
			v = m[k]
		default:
			return nil
		}
	}
	return v
}

func text(v any, keys ...string) string {
	s, _ := at(v, keys...).(string)
	return s
}

func mapping(v any, keys ...string) map[string]any {
	m, _ := at(v, keys...).(map[string]any)
	return m
}

// list is a list, or a single value as a list of one.
func list(v any, keys ...string) []string {
	switch v := at(v, keys...).(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, list(e)...)
		}
		return out
	}
	return nil
}

// ofType are the ids of the resources of a type, sorted.
func (t tree) ofType(kind string) []string {
	var ids []string
	for id := range mapping(t, "Resources") {
		if text(t, "Resources", id, "Type") == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (t tree) props(id string, keys ...string) any {
	return at(t, append([]string{"Resources", id, "Properties"}, keys...)...)
}

const (
	functionType = "AWS::Serverless::Function"
	roleType     = "AWS::IAM::Role"
	logType      = "AWS::Logs::LogGroup"
	queueType    = "AWS::SQS::Queue"
	tableType    = "AWS::DynamoDB::Table"
)

// statement is one statement of a function's policy.
type statement struct {
	Sid, Effect        string
	Actions, Resources []string
}

// statements are those of a role, in the template's order.
func (t tree) statements(role string) []statement {
	var out []statement
	policies, _ := t.props(role, "Policies").([]any)
	for _, p := range policies {
		sts, _ := at(p, "PolicyDocument", "Statement").([]any)
		for _, s := range sts {
			out = append(out, statement{text(s, "Sid"), text(s, "Effect"), list(s, "Action"), list(s, "Resource")})
		}
	}
	return out
}

// id is the resource that a reference names: Table of ${Table.Arn}.
func id(reference string) string {
	name, ok := strings.CutPrefix(reference, "${")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, "}")
	name, _, _ = strings.Cut(name, ".")
	return name
}

// repository is what is checked against each other.
type repository struct {
	template  []byte
	folders   []string          // functions/<name>
	samples   map[string][]byte // function/case → event
	variables []string          // STEPLINE_… that the code reads
}

// faults are the sentences that say what is missing or left over.
func (r repository) faults() []string {
	t, err := parseTemplate(r.template)
	if err != nil {
		return []string{err.Error()}
	}
	c := &checker{tree: t, repository: r}
	c.folders()
	for _, f := range t.ofType(functionType) {
		c.function(f)
	}
	c.leftOver()
	c.elsewhere()
	c.environment()
	c.demanded()
	c.parameters()
	c.events()
	slices.Sort(c.found)
	return c.found
}

type checker struct {
	tree
	repository
	found []string
	used  map[string]bool // roles and log groups that belong to a function
}

func (c *checker) fault(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

// folders: each is deployed, and what is deployed has one.
func (c *checker) folders() {
	deployed := map[string]bool{}
	for _, f := range c.ofType(functionType) {
		name := text(c.props(f, "Handler"))
		deployed[name] = true
		if !slices.Contains(c.repository.folders, name) {
			c.fault("%s: there is no folder functions/%s", f, name)
		}
		if text(c.tree, "Resources", f, "Metadata", "BuildMethod") != "makefile" {
			c.fault("%s: has no Metadata {BuildMethod: makefile}, so its binary is not built as the others are", f)
		}
	}
	for _, name := range c.repository.folders {
		if !deployed[name] {
			c.fault("functions/%s: no function of the template has the Handler %s", name, name)
		}
	}
}

// leftOver: what belongs to no function.
func (c *checker) leftOver() {
	for _, kind := range []string{roleType, logType} {
		for _, id := range c.ofType(kind) {
			if !c.used[id] {
				c.fault("%s: is left over, no function uses it", id)
			}
		}
	}
	declared, src := mapping(c.tree, "Parameters"), string(c.template)
	for _, p := range slices.Sorted(maps.Keys(declared)) {
		if !strings.Contains(src, "!Ref "+p) && !strings.Contains(src, "${"+p+"}") {
			c.fault("parameter %s: is left over, nothing refers to it", p)
		}
	}
}

func TestTemplateBelongsToTheCode(t *testing.T) {
	t.Parallel()
	for _, f := range current(t).faults() {
		t.Error(f)
	}
}
