package expr

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// maxNesting bounds how deep a value may nest.
const maxNesting = 200

var (
	errNesting = &Error{Message: fmt.Sprintf("values may nest %d deep at most", maxNesting)}
	errNumber  = &Error{Message: "a number is too large"}
)

// normal makes a value of the few kinds that expressions and JSON share. It
// changes lists and objects of Decode's own in place. Each value on the way is
// paid for: a list that holds another many times is walked as often.
func normal(v any, depth int, m *meter) (any, error) {
	if depth > maxNesting {
		return nil, errNesting
	}
	if err := m.spend(perVisit); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil, bool, int, string:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, &Error{Message: "the result is not a number that JSON can hold"}
		}
		return v, nil
	case json.Number:
		return number(v)
	case []any:
		for i, e := range v {
			n, err := normal(e, depth+1, m)
			if err != nil {
				return nil, err
			}
			if rewritten(e) {
				v[i] = n
			}
		}
		return v, nil
	case map[string]any:
		for k, e := range v {
			n, err := normal(e, depth+1, m)
			if err != nil {
				return nil, err
			}
			if rewritten(e) {
				v[k] = n
			}
		}
		return v, nil
	}
	return reflected(reflect.ValueOf(v), depth, m)
}

// rewritten reports whether normal makes another value of v, for then only it
// is written back: values of the environment are shared and must not be touched.
func rewritten(v any) bool {
	switch v.(type) {
	case nil, bool, int, string, float64, []any, map[string]any:
		return false
	}
	return true
}

func number(n json.Number) (any, error) {
	if i, err := strconv.Atoi(string(n)); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, errNumber
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return int(f), nil // 1.0, 1e3 and 1e17 are whole numbers too
	}
	return f, nil
}

// reflected turns what the language's functions return, such as []string or
// int64, into the shared kinds.
func reflected(v reflect.Value, depth int, m *meter) (any, error) {
	switch v.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return int(v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := v.Uint(); n > math.MaxInt64 {
			return float64(n), nil // as Decode reads it
		}
		return int(v.Uint()), nil //nolint:gosec // it fits
	case reflect.Float32:
		return normal(v.Float(), depth, m)
	case reflect.String:
		return v.String(), nil
	case reflect.Slice, reflect.Array:
		out := make([]any, v.Len())
		for i := range out {
			e, err := normal(v.Index(i).Interface(), depth+1, m)
			if err != nil {
				return nil, err
			}
			out[i] = e
		}
		return out, nil
	case reflect.Map:
		out := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			e, err := normal(it.Value().Interface(), depth+1, m)
			if err != nil {
				return nil, err
			}
			out[keyText(it.Key().Interface())] = e
		}
		return out, nil
	}
	return nil, &Error{Message: "the result is not a value that JSON can hold"}
}

// keyText is a key of groupBy or fromPairs as an object has it.
func keyText(k any) string {
	if s, ok := k.(string); ok {
		return s
	}
	return fmt.Sprint(k)
}

// Encode writes a value of Decode's kinds as compact JSON with sorted keys, so
// that equal values give equal bytes. HTML characters are not escaped.
func Encode(v any) ([]byte, error) { return appendValue(make([]byte, 0, 256), v, 0) }

func appendValue(b []byte, v any, depth int) ([]byte, error) {
	if depth > maxNesting {
		return nil, errNesting
	}
	var err error
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case float64:
		n, err := json.Marshal(v)
		return append(b, n...), err
	case string:
		return appendString(b, v), nil
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendValue(b, e, depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		b = append(b, '{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k), ':')
			if b, err = appendValue(b, v[k], depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	n, err := normal(v, depth, nil)
	if err != nil {
		return nil, err
	}
	return appendValue(b, n, depth)
}

const hex = "0123456789abcdef"

// appendString quotes a string as RFC 8259 asks; invalid UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			b = append(append(b, s[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// size estimates a value's JSON in bytes, from below and without building it.
func size(v any, depth int) int {
	if depth > maxNesting {
		return MaxResult + 1
	}
	n := 2
	switch v := v.(type) {
	case string:
		return n + len(v)
	case []any:
		for _, e := range v {
			if n += size(e, depth+1); n > MaxResult {
				return n
			}
		}
	case map[string]any:
		for k, e := range v {
			if n += len(k) + 3 + size(e, depth+1); n > MaxResult {
				return n
			}
		}
	}
	return n
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case int, float64:
		return "a number"
	case string:
		return "a string"
	case map[string]any:
		return "an object"
	}
	return "a list"
}
