package expr

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Bounds of expressions and their results.
const (
	MaxSource = 10_000  // bytes of one expression
	MaxNodes  = 1_000   // of its syntax tree
	MaxResult = 5 << 20 // bytes of a template's result as JSON

	maxString = 1 << 20 // bytes of a string built on the way
	maxList   = 100_000 // elements of a list built on the way
	vmBudget  = 1_000_000

	// MaxWork is what one evaluation of a template or condition may take, in
	// steps of some ten nanoseconds: parts of a loop's body, values and
	// strings looked at, what is built. It is counted, never timed, so that an
	// evaluation anew ends as the first one did.
	MaxWork = 20_000_000
)

// Env is what an expression reads: the roots input, vars, steps, execution
// and, where the place allows it, callback; in a source, event alone.
type Env map[string]any

// Error is why an expression could not be evaluated. It holds no values.
type Error struct {
	Pointer string // into the template, RFC 6901; "" for a condition
	Message string
}

func (e *Error) Error() string {
	if e.Pointer == "" {
		return e.Message
	}
	return e.Pointer + ": " + e.Message
}

// Template is a JSON value in which strings may hold {{ expressions }},
// compiled and checked. It is immutable and safe for concurrent use.
type Template struct {
	root  part
	reads []string
}

// Eval fills the template in. The answer is made of nil, bool, int, float64,
// string, []any and map[string]any and must not be changed: what holds no
// expression is shared between calls. Errors are *Error.
func (t *Template) Eval(env Env) (any, error) {
	if l, ok := t.root.(literal); ok {
		return l.value, nil
	}
	m := machineFor(env)
	defer m.release()
	v, err := t.root.eval(m)
	if err != nil {
		return nil, err
	}
	if size(v, 0) > MaxResult {
		return nil, &Error{Message: fmt.Sprintf("the result is larger than %d bytes", MaxResult)}
	}
	return v, nil
}

// Static reports whether the template holds no expression.
func (t *Template) Static() bool {
	_, ok := t.root.(literal)
	return ok
}

// Reads lists the ids of the steps whose results the template may read,
// sorted.
func (t *Template) Reads() []string { return t.reads }

// Condition is a bare boolean expression, compiled and checked.
type Condition struct {
	program *vm.Program
	reads   []string
}

// Eval decides the condition. Errors are *Error; a result that is no boolean
// is one.
func (c *Condition) Eval(env Env) (bool, error) {
	m := machineFor(env)
	defer m.release()
	v, err := m.run(c.program)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, &Error{Message: "must be true or false, but is " + kindOf(v)}
	}
	return b, nil
}

// Reads lists the ids of the steps whose results the condition may read,
// sorted.
func (c *Condition) Reads() []string { return c.reads }

func runtimeMessage(err error) string {
	var own *Error
	if errors.As(err, &own) {
		return own.Message
	}
	var f *file.Error
	msg := err.Error()
	if errors.As(err, &f) {
		msg = f.Message
	}
	for prefix, say := range map[string]string{
		"memory budget exceeded": errWork.Message,
		"cannot fetch":           "it reads a field of a value that is absent or has no fields; ?. in place of . allows for that",
		"invalid operation":      "an operation is applied to values of the wrong type",
		"interface conversion":   "an operation is applied to values of the wrong type",
		"reflect":                "an operation is applied to values of the wrong type",
		"integer divide by zero": "it divides by zero",
		"runtime error: integer": "it divides by zero",
		"index out of range":     "it reads beyond the end of a list",
		"runtime error: index":   "it reads beyond the end of a list",
	} {
		if strings.HasPrefix(msg, prefix) {
			return say
		}
	}
	return "it cannot be evaluated with these values"
}

func sorted(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	sort.Strings(list)
	return list
}
