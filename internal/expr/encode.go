package expr

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Encode writes a value of nil, bool, int, int64, float64, string, []any and
// map[string]any as compact JSON: keys sorted, nothing escaped that need not
// be, equal values always as the same bytes. Other types, numbers that are
// infinite or not a number, and nesting beyond MaxDepth are errors.
func Encode(v any) ([]byte, error) {
	e := encoder{limit: math.MaxInt}
	if err := e.value(v, 0); err != nil {
		return nil, fmt.Errorf("expr: encode: %w", err)
	}
	return e.buf, nil
}

// encoder appends values until the limit.
type encoder struct {
	buf   []byte
	limit int
}

func (e *encoder) value(v any, depth int) error {
	if len(e.buf) > e.limit {
		return ErrTooLarge
	}
	switch v := v.(type) {
	case nil:
		e.buf = append(e.buf, "null"...)
	case bool:
		e.buf = strconv.AppendBool(e.buf, v)
	case int:
		e.buf = strconv.AppendInt(e.buf, int64(v), 10)
	case int64:
		e.buf = strconv.AppendInt(e.buf, v, 10)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errNoNumber
		}
		e.buf = appendFloat(e.buf, v)
	case string:
		e.buf = appendString(e.buf, v)
	case []any:
		return e.list(v, depth)
	case map[string]any:
		return e.object(v, depth)
	default:
		return fail(fmt.Sprintf("a %T is no JSON value", v))
	}
	return nil
}

const (
	errNoNumber = fail("JSON has no number that is infinite or undefined")
	errTooDeep  = fail("lists and objects must not nest deeper than 200")
)

func (e *encoder) list(v []any, depth int) error {
	if depth >= MaxDepth {
		return errTooDeep
	}
	e.buf = append(e.buf, '[')
	for i, item := range v {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		if err := e.value(item, depth+1); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, ']')
	return nil
}

func (e *encoder) object(v map[string]any, depth int) error {
	if depth >= MaxDepth {
		return errTooDeep
	}
	var few [16]string
	keys := few[:0]
	for k := range v {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	e.buf = append(e.buf, '{')
	for i, k := range keys {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = appendString(e.buf, k)
		e.buf = append(e.buf, ':')
		if err := e.value(v[k], depth+1); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, '}')
	return nil
}

// appendFloat writes a number as ECMAScript does, and so as encoding/json; the
// negative zero as 0.
func appendFloat(b []byte, f float64) []byte {
	if f == 0 {
		return append(b, '0')
	}
	format := byte('f')
	if abs := math.Abs(f); abs < 1e-6 || abs >= 1e21 {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1] // e-09 is e-9
		b = b[:n-1]
	}
	return b
}

const hex = "0123456789abcdef"

// appendString writes a string literal. What is no UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		b = append(b, s[from:i]...)
		b = appendEscape(b, c)
		i++
		from = i
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	if c >= utf8.RuneSelf {
		return append(b, "\uFFFD"...)
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
