package expr

import (
	"fmt"
	"reflect"

	lang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	bytecode "github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/vm"
)

var (
	errTooLong = &Error{Message: "it builds a string that is too long"}
	errTooMany = &Error{Message: "it builds a list that is too long"}
)

// disabled read a clock, or the zones of the machine.
var disabled = []string{"now", "date", "duration", "timezone"}

// prefix begins the name of a function that a patched tree calls. Nobody can
// write such a name.
const prefix = "@"

const (
	eachName = "each" // pays for a loop over a list
	keyName  = "key"  // pays for a key of an object or of an order
)

// metered is a function that pays before it works.
type metered func(m *meter, args []any) (any, error)

// define is what differs from the library's own language: no clock, and our
// functions for patched trees. Their types were checked before, as those of
// what they stand for.
func define(c *conf.Config) {
	for _, name := range disabled {
		lang.DisableBuiltin(name)(c)
		delete(c.Builtins, name)
	}
	for name, f := range defined {
		c.Functions[name] = f
	}
}

var defined = func() map[string]*builtin.Function {
	all := map[string]*builtin.Function{}
	for name, f := range functions {
		all[prefix+name] = &builtin.Function{
			Name: prefix + name,
			Func: func(args ...any) (any, error) {
				m, ok := args[0].(*meter)
				if !ok {
					return nil, errWork
				}
				return f(m, args[1:])
			},
			Validate: func([]reflect.Type) (reflect.Type, error) { return reflect.TypeFor[any](), nil },
		}
	}
	return all
}()

// compile is lang.Compile with the patch after the check: what is patched has
// another shape, but the same types, and faults are told in the shape that was
// written.
func compile(src string, options ...lang.Option) (*vm.Program, error) {
	c := conf.CreateNew()
	for _, o := range options {
		o(c)
	}
	define(c)
	tree, err := checker.ParseCheck(src, c)
	if err != nil {
		return nil, err
	}
	ast.Walk(&tree.Node, patch{})
	if err := optimizer.Optimize(&tree.Node, c); err != nil {
		return nil, err
	}
	return bytecode.Compile(tree, c)
}

// library is a function as the library has it.
func library(name string) func(args ...any) (any, error) {
	f := builtin.Builtins[builtin.Index[name]]
	switch {
	case f.Fast != nil:
		return func(args ...any) (any, error) { return f.Fast(args[0]), nil }
	case f.Safe != nil:
		return func(args ...any) (any, error) {
			v, _, err := f.Safe(args...)
			return v, err
		}
	}
	return f.Func
}

// each pays for a loop: so much for each element.
func each(m *meter, args []any) (any, error) {
	turn, _ := args[0].(int)
	v := reflect.ValueOf(args[1])
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		return args[1], m.spend(1 + turn*v.Len())
	}
	return args[1], nil // the loop says what is wrong with it
}

// key pays for a value by which others are found or put in order.
func key(m *meter, args []any) (any, error) {
	times, _ := args[0].(int)
	switch v := args[1].(type) {
	case string:
		return v, m.spend(times * (1 + len(v)/bytesRead))
	case nil, bool, int, float64:
		return v, m.spend(times)
	}
	switch v := reflect.ValueOf(args[1]); v.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return nil, &Error{Message: fmt.Sprintf("%s cannot be a key", kindOf(args[1]))}
	}
	return args[1], m.spend(times)
}
