package expr

import (
	"fmt"
	"sort"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
)

// Scope is what the expressions in one place may read.
type Scope struct {
	Upstream []string       // ids of the steps that are over before this place is reached
	Steps    []string       // all ids, to tell a wrong name from a wrong order
	Vars     map[string]any // of the document
	Callback bool           // whether callback.url and callback.token exist here
	Event    bool           // a source's place: it reads event, and nothing else
}

// Fault is one thing wrong with a template, with its place in it.
type Fault struct {
	Pointer string // RFC 6901
	Detail  string // a sentence that says what would be right
}

// env is the scope as the type checker knows it.
func (s Scope) env() types.Map {
	if s.Event {
		return types.Map{meterName: types.Any, "event": types.Map{"id": types.String, "source": types.String, "headers": types.Any, "body": types.Any}}
	}
	step := types.Map{
		"output": types.Any, "status": types.String,
		"response": types.Map{"status": types.Int, "headers": types.Any},
		"error":    types.Map{"category": types.String, "code": types.String, "message": types.String},
	}
	steps, vars := types.Map{}, types.Map{}
	for _, id := range s.Upstream {
		steps[id] = step
	}
	for name := range s.Vars {
		vars[name] = types.Any
	}
	env := types.Map{
		meterName: types.Any,
		"input":   types.Any, "vars": vars, "steps": steps,
		"execution": types.Map{"id": types.String, "workflow": types.String, "version": types.Int, "run": types.Int, "createdAt": types.String},
	}
	if s.Callback {
		env["callback"] = types.Map{"url": types.String, "token": types.String}
	}
	return env
}

// check looks for reads that the type checker would not explain well, or would
// let through, and collects the steps that are read.
func (s Scope) check(src string, reads map[string]bool) string {
	tree, err := parser.Parse(src)
	if err != nil {
		return compileMessage(err)
	}
	w := &walker{named: map[*ast.IdentifierNode]bool{}}
	ast.Walk(&tree.Node, w)
	if w.nodes > MaxNodes {
		return fmt.Sprintf("must be simpler: it has %d parts, at most %d are allowed", w.nodes, MaxNodes)
	}
	if w.pattern > maxPattern {
		return fmt.Sprintf("must match a simpler regular expression: it has %d parts, at most %d are allowed", w.pattern, maxPattern)
	}
	if w.whole {
		return "$env cannot be read; name what is needed: input, vars, steps or execution"
	}
	for _, id := range w.roots {
		if id.Value == "steps" && !w.named[id] {
			return `a step must be named as in steps.first.output or steps["first"].output`
		}
	}
	for _, id := range w.steps {
		if detail := s.step(id); detail != "" {
			return detail
		}
		reads[id] = true
	}
	return ""
}

// step says what is wrong with reading this step here, "" for nothing.
func (s Scope) step(id string) string {
	for _, up := range s.Upstream {
		if up == id {
			return ""
		}
	}
	for _, known := range s.Steps {
		if known == id {
			return fmt.Sprintf("step %q is not upstream of this place; add it to needs", id)
		}
	}
	ids := append([]string{}, s.Upstream...)
	sort.Strings(ids)
	if len(ids) == 0 {
		return fmt.Sprintf("there is no step %q, and none is upstream of this place", id)
	}
	return fmt.Sprintf("there is no step %q; upstream of this place are %s", id, strings.Join(ids, ", "))
}

// walker collects what an expression reads.
type walker struct {
	nodes   int
	pattern int  // size of the largest
	whole   bool // reads $env
	roots   []*ast.IdentifierNode
	named   map[*ast.IdentifierNode]bool // those whose member is named
	steps   []string
}

func (w *walker) Visit(node *ast.Node) {
	w.nodes++
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		w.whole = w.whole || n.Value == "$env"
		w.roots = append(w.roots, n)
	case *ast.BinaryNode:
		if s, ok := n.Right.(*ast.StringNode); ok && n.Operator == "matches" {
			w.pattern = max(w.pattern, instructions(s.Value))
		}
	case *ast.MemberNode:
		root, ok := n.Node.(*ast.IdentifierNode)
		name, constant := n.Property.(*ast.StringNode)
		if ok && constant && root.Value == "steps" {
			w.named[root] = true
			w.steps = append(w.steps, name.Value)
		}
	}
}
