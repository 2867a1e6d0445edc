package expr

import (
	"reflect"
	"regexp"

	"github.com/expr-lang/expr/ast"
)

// patch makes whatever takes more than a moment pay for it first: functions
// and operators become calls that get the meter, and loops pay for their list
// before they begin. It works on a checked tree, from the leaves up.
type patch struct{}

func (patch) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BinaryNode:
		binary(node, n)
	case *ast.BuiltinNode:
		switch {
		case loops[n.Name] > 0:
			loop(n)
		case n.Name == "get" && len(n.Arguments) > 1:
			n.Arguments[1] = asKey(n.Arguments[1], 1)
		case functions[n.Name] != nil:
			become(node, n.Name, n.Arguments...)
		}
	case *ast.MemberNode:
		n.Property = asKey(n.Property, 1)
	case *ast.SliceNode:
		n.From, n.To = asKey(n.From, 1), asKey(n.To, 1)
	case *ast.PairNode:
		n.Key = asKey(n.Key, 1)
	}
}

// become replaces a node by a call of one of our functions, with its type.
func become(node *ast.Node, name string, args ...ast.Node) {
	c := call(name, args...)
	c.SetNature(*(*node).Nature())
	ast.Patch(node, c)
}

func call(name string, args ...ast.Node) *ast.CallNode {
	meter := &ast.IdentifierNode{Value: meterName}
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: prefix + name}, Arguments: append([]ast.Node{meter}, args...)}
}

func binary(node *ast.Node, n *ast.BinaryNode) {
	if functions[n.Operator] == nil {
		return // what it costs does not depend on what it is given
	}
	left, right := n.Left, n.Right
	switch n.Operator {
	case "==", "!=", "<", ">", "<=", ">=":
		if small(left) || small(right) {
			return // compared no further than the smaller goes
		}
	case "+":
		if number := kind(n); number != reflect.String && number != reflect.Interface {
			return
		}
	case "in":
		if l, ok := right.(*ast.ArrayNode); ok && allSmall(l.Nodes) {
			return // its size is that of the source, and it is a set when compiled
		}
	case "matches":
		if s, ok := right.(*ast.StringNode); ok {
			right = compiled(s)
		}
	}
	become(node, n.Operator, left, right)
}

// compiled is a pattern that stands in the source, which the checker found to
// be one.
func compiled(s *ast.StringNode) ast.Node {
	re, err := regexp.Compile(s.Value)
	if err != nil {
		return s
	}
	return &ast.ConstantNode{Value: &pattern{re: re, size: instructions(s.Value)}}
}

func kind(n ast.Node) reflect.Kind { return n.Type().Kind() }

// small reports whether a value is a number or the like, or stands in the
// source.
func small(n ast.Node) bool {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode:
		return true
	}
	switch kind(n) {
	case reflect.Bool, reflect.Int, reflect.Float64:
		return true
	}
	return false
}

func allSmall(nodes []ast.Node) bool {
	for _, n := range nodes {
		if !small(n) {
			return false
		}
	}
	return true
}

// loops are the functions with a predicate, and what a turn costs beside the
// predicate's parts: more where it adds to a list.
var loops = map[string]int{
	"all": perVisit, "none": perVisit, "any": perVisit, "one": perVisit, "count": perVisit, "sum": perVisit, "reduce": perVisit,
	"find": perVisit, "findIndex": perVisit, "findLast": perVisit, "findLastIndex": perVisit,
	"map": perValue, "filter": perValue, "groupBy": perEntry, "sortBy": perEntry,
}

// sortedTimes is how often a key is compared where many are sorted.
const sortedTimes = 20

func loop(n *ast.BuiltinNode) {
	turn := loops[n.Name]
	if len(n.Arguments) > 1 {
		turn += parts(n.Arguments[1])
		if p, ok := n.Arguments[1].(*ast.PredicateNode); ok {
			switch n.Name {
			case "groupBy":
				p.Node = asKey(p.Node, 1)
			case "sortBy":
				p.Node = asKey(p.Node, sortedTimes)
			}
		}
	}
	become(&n.Arguments[0], eachName, &ast.IntegerNode{Value: turn}, n.Arguments[0])
}

// asKey pays for a value that is hashed or compared, so many times.
func asKey(n ast.Node, times int) ast.Node {
	if n == nil || small(n) {
		return n
	}
	become(&n, keyName, &ast.IntegerNode{Value: times}, n)
	return n
}

// parts is the cost of evaluating a tree once, its loops aside.
func parts(n ast.Node) int {
	var c counter
	ast.Walk(&n, &c)
	return int(c)
}

type counter int

func (c *counter) Visit(node *ast.Node) {
	*c++
	switch (*node).(type) {
	case *ast.MapNode:
		*c += perEntry
	case *ast.ArrayNode:
		*c += perValue
	}
}
