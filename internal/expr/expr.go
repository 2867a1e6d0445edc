package expr

import (
	"errors"
	"slices"
)

// Limits of expressions and values.
const (
	// MaxSource is the longest expression, in bytes.
	MaxSource = 10_000
	// MaxNodes is the largest expression, in nodes of its syntax tree.
	MaxNodes = 2_000
	// MaxWork bounds one evaluation: about an element touched, an operation or
	// eight bytes of text each.
	MaxWork = 2_000_000
	// MaxOutput is the largest answer of a template, in bytes of JSON.
	MaxOutput = 5 << 20
	// MaxDepth is how deep lists and objects may nest.
	MaxDepth = 200
)

// Why an evaluation was stopped; match with errors.Is.
var (
	ErrTooLarge  = errors.New("the value is larger than 5 MB")
	ErrTooCostly = errors.New("the expression does more work than is allowed; loop over less")
)

// Env is what an expression reads: the roots input, vars, steps, execution
// and, where the place allows it, callback. Its values are made of nil, bool,
// int, float64, string, []any and map[string]any.
type Env map[string]any

// Template is a JSON value in which strings may hold {{ expressions }},
// compiled and checked. It is immutable and safe for concurrent use.
type Template struct {
	root  node
	size  int // of the literal parts, in bytes of JSON
	reads []string
}

// Eval fills the template in. The answer is made of nil, bool, int, float64,
// string, []any and map[string]any, is what Decode makes of its own Encode, and
// shares parts with env and with other answers: it must not be modified. Errors
// are *Error.
func (t *Template) Eval(env Env) (any, error) {
	if l, ok := t.root.(literal); ok {
		return l.value, nil
	}
	e := evaluation{env: env, left: MaxOutput - t.size, meter: meter{left: MaxWork}}
	return t.root.eval(&e)
}

// Reads lists the ids of the steps whose results the template may read, sorted.
func (t *Template) Reads() []string { return t.reads }

// Static reports whether the template holds no expression, and its value then.
func (t *Template) Static() (value any, ok bool) {
	l, ok := t.root.(literal)
	return l.value, ok
}

// Field is the part of the template under a literal key at its top; nil when
// there is none, or when the whole is one expression.
func (t *Template) Field(key string) *Template {
	switch n := t.root.(type) {
	case literal:
		if m, ok := n.value.(map[string]any); ok {
			if v, ok := m[key]; ok {
				return &Template{root: literal{v}}
			}
		}
	case *object:
		if i := slices.Index(n.keys, key); i >= 0 {
			return &Template{root: n.nodes[i], reads: t.reads}
		}
	}
	return nil
}

// Condition is a bare boolean expression, compiled and checked. It is immutable
// and safe for concurrent use.
type Condition struct {
	program *program
	reads   []string
}

// Eval decides the condition. Errors are *Error; an answer that is not boolean
// is one.
func (c *Condition) Eval(env Env) (bool, error) {
	e := evaluation{env: env, left: MaxOutput, meter: meter{left: MaxWork}}
	v, err := c.program.run(&e)
	if err != nil {
		return false, err
	}
	yes, ok := v.(bool)
	if !ok {
		return false, c.program.fail(fail("must be true or false, and is " + describe(v)))
	}
	return yes, nil
}

// Reads lists the ids of the steps whose results the condition may read,
// sorted.
func (c *Condition) Reads() []string { return c.reads }

// Error says why an evaluation failed. It holds no value that was read.
type Error struct {
	Pointer string // RFC 6901, into the template
	Message string
	cause   error
}

func (e *Error) Error() string {
	if e.Pointer == "" {
		return e.Message
	}
	return e.Pointer + ": " + e.Message
}

// Unwrap is ErrTooLarge or ErrTooCostly where that is the reason.
func (e *Error) Unwrap() error { return e.cause }

// Fault is one thing wrong with a template or condition.
type Fault struct {
	Pointer string // RFC 6901, into what was given
	Detail  string // a sentence that says what would be right
}
