package expr

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// SyntaxError says where bytes stop being JSON.
type SyntaxError struct {
	Line, Column int // from 1; columns in bytes
	Detail       string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

// Decode reads one JSON value into nil, bool, int, float64, string, []any and
// map[string]any. A number that is an integer within 64 bits is an int,
// however it is written; any other is the nearest float64, and one beyond its
// range is refused. Of a key that comes twice the last value counts, what is no
// UTF-8 becomes U+FFFD. Nesting beyond MaxDepth and anything after the value
// are refused. Errors are *SyntaxError.
func Decode(data []byte) (any, error) { return decode(data, nil) }

// DecodeUnique is Decode for documents that people write: keys that come twice
// are reported, as JSON pointers to the second one.
func DecodeUnique(data []byte) (v any, twice []string, err error) {
	v, err = decode(data, &twice)
	return v, twice, err
}

func decode(data []byte, twice *[]string) (any, error) {
	d := decoder{s: string(data), twice: twice} // strings of the value are parts of this one copy
	v, detail := d.value(0)
	if detail == "" {
		if d.space(); d.i < len(d.s) {
			detail = "nothing may follow the value"
		}
	}
	if detail != "" {
		return nil, d.at(detail)
	}
	return v, nil
}

type decoder struct {
	s     string
	i     int
	path  []string  // to the value being read, kept only for twice
	twice *[]string // nil: not wanted
}

func (d *decoder) at(detail string) *SyntaxError {
	before := d.s[:min(d.i, len(d.s))]
	return &SyntaxError{
		Line:   1 + strings.Count(before, "\n"),
		Column: len(before) - strings.LastIndexByte(before, '\n'),
		Detail: detail,
	}
}

func (d *decoder) space() {
	for d.i < len(d.s) {
		switch d.s[d.i] {
		case ' ', '\t', '\n', '\r':
			d.i++
		default:
			return
		}
	}
}

// next skips space and consumes c if it comes next.
func (d *decoder) next(c byte) bool {
	d.space()
	if d.i < len(d.s) && d.s[d.i] == c {
		d.i++
		return true
	}
	return false
}

// value reads a value; detail is a sentence when there is none.
func (d *decoder) value(depth int) (v any, detail string) {
	d.space()
	if d.i >= len(d.s) {
		return nil, "a value must follow; the text ends here"
	}
	switch c := d.s[d.i]; {
	case c == '"':
		return boxed(d.text())
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.list(depth)
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	}
	for _, w := range [...]struct {
		word  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if strings.HasPrefix(d.s[d.i:], w.word) {
			d.i += len(w.word)
			return w.value, ""
		}
	}
	return nil, "a JSON value must stand here"
}

func boxed(s, detail string) (any, string) { return s, detail }

func (d *decoder) object(depth int) (any, string) {
	if depth >= MaxDepth {
		return nil, string(errTooDeep)
	}
	d.i++
	m := map[string]any{}
	if d.next('}') {
		return m, ""
	}
	for {
		if d.space(); d.i >= len(d.s) || d.s[d.i] != '"' {
			return nil, "a key in double quotes must stand here"
		}
		key, detail := d.text()
		if detail != "" {
			return nil, detail
		}
		if !d.next(':') {
			return nil, "a colon must follow the key"
		}
		v, detail := d.member(m, key, depth)
		if detail != "" {
			return nil, detail
		}
		m[key] = v
		if d.next(',') {
			continue
		}
		if d.next('}') {
			return m, ""
		}
		return nil, "a comma or a closing brace must follow"
	}
}

// member reads a key's value, noting where it is when keys are watched.
func (d *decoder) member(m map[string]any, key string, depth int) (any, string) {
	if d.twice == nil {
		return d.value(depth + 1)
	}
	d.path = append(d.path, key)
	if _, again := m[key]; again {
		*d.twice = append(*d.twice, Pointer(d.path...))
	}
	v, detail := d.value(depth + 1)
	d.path = d.path[:len(d.path)-1]
	return v, detail
}

func (d *decoder) list(depth int) (any, string) {
	if depth >= MaxDepth {
		return nil, string(errTooDeep)
	}
	d.i++
	list := []any{}
	if d.next(']') {
		return list, ""
	}
	for {
		if d.twice != nil {
			d.path = append(d.path, strconv.Itoa(len(list)))
		}
		v, detail := d.value(depth + 1)
		if detail != "" {
			return nil, detail
		}
		if d.twice != nil {
			d.path = d.path[:len(d.path)-1]
		}
		list = append(list, v)
		if d.next(',') {
			continue
		}
		if d.next(']') {
			return list, ""
		}
		return nil, "a comma or a closing bracket must follow"
	}
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (d *decoder) number() (any, string) {
	from, whole := d.i, true
	if d.s[d.i] == '-' {
		d.i++
	}
	zero := d.i < len(d.s) && d.s[d.i] == '0'
	n := d.digits()
	if n == 0 || zero && n > 1 {
		return nil, "a number must have digits and no leading zero"
	}
	if d.i < len(d.s) && d.s[d.i] == '.' {
		d.i, whole = d.i+1, false
		if d.digits() == 0 {
			return nil, "digits must follow the decimal point"
		}
	}
	if d.i < len(d.s) && d.s[d.i]|0x20 == 'e' {
		d.i, whole = d.i+1, false
		if d.i < len(d.s) && (d.s[d.i] == '+' || d.s[d.i] == '-') {
			d.i++
		}
		if d.digits() == 0 {
			return nil, "digits must follow the exponent"
		}
	}
	text := d.s[from:d.i]
	if whole {
		if n, err := strconv.Atoi(text); err == nil {
			return n, ""
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, "the number is out of range"
	}
	return number(f), ""
}

func (d *decoder) digits() (n int) {
	for d.i < len(d.s) && d.s[d.i] >= '0' && d.s[d.i] <= '9' {
		d.i++
		n++
	}
	return n
}

// number is the one form a number has: int when it is an integer within 64
// bits.
func number(f float64) any {
	if f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64 {
		return int(f)
	}
	return f
}

// text reads a string literal.
func (d *decoder) text() (s, detail string) {
	from := d.i + 1
	for i := from; i < len(d.s); i++ {
		switch c := d.s[i]; {
		case c == '"':
			d.i = i + 1
			if s = d.s[from:i]; !utf8.ValidString(s) {
				s = strings.ToValidUTF8(s, "\uFFFD")
			}
			return s, ""
		case c == '\\':
			return d.escaped(from, i)
		case c < ' ':
			d.i = i
			return "", "a control character in a string must be escaped"
		}
	}
	d.i = len(d.s)
	return "", "a string must end with a double quote"
}

// escaped reads a string literal from its first escape on.
func (d *decoder) escaped(from, i int) (s, detail string) {
	b := append(make([]byte, 0, i-from+32), d.s[from:i]...)
	for i < len(d.s) {
		c := d.s[i]
		switch {
		case c == '"':
			d.i = i + 1
			return strings.ToValidUTF8(string(b), "\uFFFD"), ""
		case c < ' ':
			d.i = i
			return "", "a control character in a string must be escaped"
		case c != '\\':
			b = append(b, c)
			i++
			continue
		}
		r, n := unescape(d.s[i:])
		if n == 0 {
			d.i = i
			return "", `after \ must come one of "\/bfnrt or u and four hexadecimal digits`
		}
		b = utf8.AppendRune(b, r)
		i += n
	}
	d.i = len(d.s)
	return "", "a string must end with a double quote"
}

// unescape reads the escape that s begins with; n is its length, 0 for none. A
// surrogate without its other half is U+FFFD.
func unescape(s string) (r rune, n int) {
	if len(s) < 2 {
		return 0, 0
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := unit(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := unit(s[6:]); ok {
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, 12
		}
	}
	return utf8.RuneError, 6
}

// unit reads \uXXXX.
func unit(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 32)
	return rune(n), err == nil
}
