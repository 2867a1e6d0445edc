package expr

// Env is what an expression reads: the roots input, vars, steps, execution
// and, where the place allows it, callback.
type Env map[string]any

// Template is a JSON value in which strings may hold {{ expressions }},
// compiled and checked. It is immutable and safe for concurrent use.
type Template struct{ reads []string }

// Eval fills the template in. The answer is made of nil, bool, int, float64,
// string, []any and map[string]any. Errors are *Error.
func (t *Template) Eval(env Env) (any, error) { panic("later") }

// Reads lists the ids of the steps whose results the template may read.
func (t *Template) Reads() []string { return t.reads }

// Condition is a bare boolean expression, compiled and checked.
type Condition struct{ reads []string }

// Eval decides the condition.
func (c *Condition) Eval(env Env) (bool, error) { panic("later") }

// Reads lists the ids of the steps whose results the condition may read.
func (c *Condition) Reads() []string { return c.reads }
