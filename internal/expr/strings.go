package expr

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxPattern bounds the instructions of a regular expression, so that to
// compile one takes a moment.
const maxPattern = 10_000

// perPatternByte is the cost of compiling a pattern for each of its bytes.
const perPatternByte = 400

// words are the arguments as strings.
func words(name string, args []any) ([]string, error) {
	s := make([]string, len(args))
	for i, a := range args {
		w, ok := a.(string)
		if !ok {
			return nil, &Error{Message: fmt.Sprintf("%s needs strings, not %s", name, kindOf(a))}
		}
		s[i] = w
	}
	return s, nil
}

// looks is a function that looks through its strings and builds nothing.
func looks(name string) metered {
	f := library(name)
	return func(m *meter, args []any) (any, error) {
		if err := m.look(args...); err != nil {
			return nil, err
		}
		return f(args...)
	}
}

// builds is a function that makes a string of some size of a string.
func builds(name string) metered {
	f := library(name)
	return func(m *meter, args []any) (any, error) {
		s, err := words(name, args)
		if err == nil {
			err = m.build(2 * len(s[0]))
		}
		if err != nil {
			return nil, err
		}
		return f(args...)
	}
}

// trim may compare each character of one with each of the other.
func trim(m *meter, args []any) (any, error) {
	s, err := words("trim", args)
	if err != nil {
		return nil, err
	}
	cut := 1
	if len(s) > 1 {
		cut += len(s[1])
	}
	if err := m.spend((1 + len(s[0])/bytesRead) * cut); err != nil {
		return nil, err
	}
	return library("trim")(args...)
}

func repeat(m *meter, args []any) (any, error) {
	s, ok := args[0].(string)
	n, too := args[1].(int)
	if !ok || !too || n < 0 {
		return nil, &Error{Message: "repeat needs a string and a number of at least 0"}
	}
	if len(s) > 0 && n > maxString/len(s) {
		return nil, errTooLong
	}
	return strings.Repeat(s, n), m.build(len(s) * n)
}

func replace(m *meter, args []any) (any, error) {
	s, err := words("replace", args[:3])
	if err != nil {
		return nil, err
	}
	n := -1
	if len(args) > 3 {
		limit, ok := args[3].(int)
		if !ok {
			return nil, &Error{Message: "replace needs a number of times"}
		}
		n = limit
	}
	if err := m.look(args...); err != nil {
		return nil, err
	}
	times := strings.Count(s[0], s[1])
	if n >= 0 {
		times = min(times, n)
	}
	long := len(s[0]) + times*(len(s[2])-len(s[1]))
	if long > maxString && times > 0 {
		return nil, errTooLong
	}
	if err := m.spend(1 + times*perVisit + long/bytesBuilt); err != nil {
		return nil, err
	}
	return strings.Replace(s[0], s[1], s[2], n), nil
}

// cuts is a function that cuts a string into a list.
func cuts(name string) metered {
	f := library(name)
	return func(m *meter, args []any) (any, error) {
		s, err := words(name, args[:2])
		if err == nil {
			err = m.look(args...)
		}
		if err != nil {
			return nil, err
		}
		n := strings.Count(s[0], s[1]) + 1
		if err := m.spend(n * perValue); err != nil {
			return nil, err
		}
		return f(args...)
	}
}

func join(m *meter, args []any) (any, error) {
	glue := ""
	if len(args) > 1 {
		g, ok := args[1].(string)
		if !ok {
			return nil, &Error{Message: "join needs a list of strings and a string"}
		}
		glue = g
	}
	l, err := listOf(m, args[0], perVisit, "join")
	if err != nil {
		return nil, err
	}
	total, parts := 0, make([]string, len(l))
	for i, e := range l {
		s, ok := e.(string)
		if !ok {
			return nil, &Error{Message: "join needs a list of strings; use map(…, string(#)) first"}
		}
		if total += len(s) + len(glue); total > maxString {
			return nil, errTooLong
		}
		parts[i] = s
	}
	return strings.Join(parts, glue), m.build(total)
}

func toJSON(m *meter, args []any) (any, error) {
	b, err := encoded(m, args[0])
	if err == nil && len(b) > maxString {
		err = errTooLong
	}
	return string(b), err
}

// jsonByte is the most that reading a byte of JSON costs: objects are much
// larger than what they are written as.
const jsonByte = 4

func fromJSON(m *meter, args []any) (any, error) {
	s, err := words("fromJSON", args)
	if err == nil {
		err = m.spend(1 + jsonByte*len(s[0]))
	}
	if err != nil {
		return nil, err
	}
	v, err := Decode([]byte(s[0]))
	if err != nil {
		return nil, &Error{Message: "fromJSON got a string that is not JSON"}
	}
	return v, nil
}

func contains(m *meter, args []any) (any, error) {
	return within(m, "contains", args, strings.Contains)
}

func startsWith(m *meter, args []any) (any, error) {
	return within(m, "startsWith", args, strings.HasPrefix)
}

func endsWith(m *meter, args []any) (any, error) {
	return within(m, "endsWith", args, strings.HasSuffix)
}

// within decides on two strings; where one is null the answer is no.
func within(m *meter, name string, args []any, f func(s, part string) bool) (any, error) {
	if args[0] == nil || args[1] == nil {
		return false, nil
	}
	s, err := words(name, args)
	if err == nil {
		err = m.look(args...)
	}
	if err != nil {
		return nil, err
	}
	return f(s[0], s[1]), nil
}

// matches goes through a text once, at each byte with as many instructions of
// the pattern as are possible there.
func matches(m *meter, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return false, nil
	}
	s, err := words("matches", args[:1])
	if err != nil {
		return nil, err
	}
	p, err := m.pattern(args[1])
	if err == nil {
		err = m.spend((1 + len(s[0])) * (1 + p.size/4))
	}
	if err != nil {
		return nil, err
	}
	return p.re.MatchString(s[0]), nil
}

// pattern is compiled with the source, or now.
func (m *meter) pattern(v any) (*pattern, error) {
	if p, ok := v.(*pattern); ok {
		return p, nil
	}
	s, err := words("matches", []any{v})
	if err != nil {
		return nil, err
	}
	if m.last != nil && m.source == s[0] {
		return m.last, nil
	}
	if err := m.spend(1 + len(s[0])*perPatternByte); err != nil {
		return nil, err
	}
	size := instructions(s[0])
	if size > maxPattern {
		return nil, &Error{Message: "a regular expression is too large"}
	}
	if err := m.spend(size * perValue); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(s[0])
	if err != nil {
		return nil, &Error{Message: "matches needs a regular expression"}
	}
	m.source, m.last = s[0], &pattern{re: re, size: size}
	return m.last, nil
}

// instructions is about the number that a pattern is compiled to; 0 for one
// that is none.
func instructions(source string) int {
	re, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return 0
	}
	return sizeOf(re)
}

func sizeOf(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += sizeOf(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}
