package expr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	lang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// CompileTemplate compiles a JSON value whose strings may hold {{ … }}. It
// returns every fault at once, and a template only where there is none.
func CompileTemplate(v any, s Scope) (*Template, []Fault) {
	c := &compiler{scope: s, env: s.env(), reads: map[string]bool{}}
	root := c.value("", v)
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	return &Template{root: root, reads: sorted(c.reads)}, nil
}

// CompileCondition compiles a bare boolean expression.
func CompileCondition(src string, s Scope) (*Condition, []Fault) {
	c := &compiler{scope: s, env: s.env(), reads: map[string]bool{}}
	p := c.program("", src, lang.AsBool())
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	return &Condition{program: p, reads: sorted(c.reads)}, nil
}

type compiler struct {
	scope  Scope
	env    any
	reads  map[string]bool
	faults []Fault
}

func (c *compiler) fault(pointer, detail string) {
	c.faults = append(c.faults, Fault{Pointer: pointer, Detail: detail})
}

// value compiles one JSON value. What holds no expression becomes a literal as
// a whole.
func (c *compiler) value(pointer string, v any) part {
	switch v := v.(type) {
	case string:
		return c.text(pointer, v)
	case []any:
		list := make(list, len(v))
		static := true
		for i, e := range v {
			list[i] = c.value(pointer+"/"+strconv.Itoa(i), e)
			static = static && isLiteral(list[i])
		}
		if static {
			return literal{v}
		}
		return list
	case map[string]any:
		obj := make(object, 0, len(v))
		static := true
		for _, k := range sortedKeys(v) {
			p := c.value(pointer+"/"+escape(k), v[k])
			obj = append(obj, field{k, p})
			static = static && isLiteral(p)
		}
		if static {
			return literal{v}
		}
		return obj
	}
	return literal{v}
}

func isLiteral(p part) bool {
	_, ok := p.(literal)
	return ok
}

// escape is a key as a JSON pointer has it (RFC 6901).
func escape(key string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(key) }

// text compiles a string: literal, one whole expression, or a mixture.
func (c *compiler) text(pointer, s string) part {
	pieces, err := split(s)
	if err != nil {
		c.fault(pointer, err.Error())
		return literal{s}
	}
	switch {
	case len(pieces) == 0:
		return literal{s}
	case len(pieces) == 1 && !pieces[0].expression:
		return literal{pieces[0].text}
	case len(pieces) == 1:
		return whole{pointer, c.program(pointer, pieces[0].text)}
	}
	mix := mixture{pointer: pointer}
	for _, p := range pieces {
		piece := mixed{text: p.text}
		if p.expression {
			piece = mixed{program: c.program(pointer, p.text)}
		}
		mix.parts = append(mix.parts, piece)
	}
	return mix
}

type piece struct {
	text       string
	expression bool
}

// split cuts a string at its {{ … }}. Braces, brackets and quoted strings may
// nest inside.
func split(s string) ([]piece, error) {
	var out []piece
	for s != "" {
		open := strings.Index(s, "{{")
		if open < 0 {
			return append(out, piece{text: s}), nil
		}
		if open > 0 {
			out = append(out, piece{text: s[:open]})
		}
		n := closing(s[open+2:])
		if n < 0 {
			return nil, errors.New(`"{{" must be closed by "}}"`)
		}
		src := strings.TrimSpace(s[open+2 : open+2+n])
		if src == "" {
			return nil, errors.New(`"{{ }}" must hold an expression`)
		}
		out = append(out, piece{src, true})
		s = s[open+2+n+2:]
	}
	return out, nil
}

// closing is the place of the "}}" that ends an expression, -1 for none.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; ch {
		case '"', '\'', '`':
			for i++; i < len(s) && s[i] != ch; i++ {
				if s[i] == '\\' && ch != '`' {
					i++
				}
			}
		case '{', '(', '[':
			depth++
		case ')', ']':
			depth--
		case '}':
			if depth <= 0 && strings.HasPrefix(s[i:], "}}") {
				return i
			}
			depth--
		}
	}
	return -1
}

// program compiles one expression; nil after a fault.
func (c *compiler) program(pointer, src string, more ...lang.Option) *vm.Program {
	if len(src) > MaxSource {
		c.fault(pointer, fmt.Sprintf("must be shorter: it has %d bytes, at most %d are allowed", len(src), MaxSource))
		return nil
	}
	if detail := c.scope.check(src, c.reads); detail != "" {
		c.fault(pointer, detail)
		return nil
	}
	p, err := compile(src, append([]lang.Option{lang.Env(c.env), lang.MaxNodes(MaxNodes)}, more...)...)
	if err != nil {
		c.fault(pointer, compileMessage(err))
		return nil
	}
	return p
}

// compileMessage is the checker's message as one sentence with its column.
func compileMessage(err error) string {
	var f *file.Error
	if !errors.As(err, &f) {
		first, _, _ := strings.Cut(err.Error(), "\n") // a stack may follow
		return "does not compile: " + first
	}
	msg, _, _ := strings.Cut(f.Message, "\n")
	if strings.HasPrefix(msg, "unknown name ") {
		msg += "; an expression reads input, vars, steps, execution and the built-in functions"
	}
	return fmt.Sprintf("does not compile: %s (column %d)", msg, f.Column+1)
}
