package expr

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// Decode reads JSON into nil, bool, int, float64, string, []any and
// map[string]any. Whole numbers that int or float64 hold exactly become int,
// all others float64, as in JavaScript. Of a repeated key the last counts.
// Nesting is bounded.
//
// Each step's answer is decoded for the steps after it, so valid JSON is read
// in one pass here. Whatever that pass does not take, encoding/json decides
// on, and says what is wrong with it.
func Decode(data []byte) (any, error) {
	return read(&reader{data: data})
}

// Check is nil for what Decode takes and Decode's error for what it does not,
// without making the value. An *Error is about JSON that is beyond a bound; any
// other error is about what is no JSON, and may quote it.
func Check(data []byte) error {
	_, err := read(&reader{data: data, check: true})
	return err
}

func read(r *reader) (any, error) {
	if v, ok := r.value(0); ok && r.end() {
		return v, nil
	}
	v, err := decodeAny(r.data)
	if err != nil && r.deep {
		err = errNesting // encoding/json has a bound of its own, and no type for it
	}
	return v, err
}

// decodeAny is Decode without the short way.
func decodeAny(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the JSON value")
	}
	return normal(v, 0, nil)
}

// reader reads valid JSON. Its answers are false for all that is not, and for
// what is rare.
type reader struct {
	data  []byte
	at    int
	check bool // no value is made: each is nil or empty
	deep  bool // it ended at the bound of nesting
}

// next skips space and is the byte there, 0 at the end.
func (r *reader) next() byte {
	for ; r.at < len(r.data); r.at++ {
		if c := r.data[r.at]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

func (r *reader) end() bool { return r.next() == 0 && r.at == len(r.data) }

func (r *reader) value(depth int) (any, bool) {
	if depth > maxNesting {
		r.deep = true
		return nil, false
	}
	switch c := r.next(); c {
	case '{':
		return r.object(depth)
	case '[':
		return r.list(depth)
	case '"':
		return r.text()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	default:
		return r.number()
	}
}

func (r *reader) word(w string) bool {
	if len(r.data)-r.at < len(w) || string(r.data[r.at:r.at+len(w)]) != w {
		return false
	}
	r.at += len(w)
	return true
}

func (r *reader) object(depth int) (any, bool) {
	r.at++
	var m map[string]any
	if !r.check {
		m = map[string]any{}
	}
	if r.next() == '}' {
		r.at++
		return m, true
	}
	for {
		if r.next() != '"' {
			return nil, false
		}
		k, ok := r.text()
		if !ok || r.next() != ':' {
			return nil, false
		}
		r.at++
		v, ok := r.value(depth + 1)
		if !ok {
			return nil, false
		}
		if !r.check {
			m[k] = v
		}
		switch r.next() {
		case ',':
			r.at++
		case '}':
			r.at++
			return m, true
		default:
			return nil, false
		}
	}
}

func (r *reader) list(depth int) (any, bool) {
	r.at++
	var l []any
	if !r.check {
		l = []any{}
	}
	if r.next() == ']' {
		r.at++
		return l, true
	}
	for {
		v, ok := r.value(depth + 1)
		if !ok {
			return nil, false
		}
		if !r.check {
			l = append(l, v)
		}
		switch r.next() {
		case ',':
			r.at++
		case ']':
			r.at++
			return l, true
		default:
			return nil, false
		}
	}
}

// text reads a string. One with escapes is encoding/json's to read.
func (r *reader) text() (string, bool) {
	start := r.at
	ascii, plain := true, true
	for i := start + 1; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.at = i + 1
			switch {
			case r.check && !plain:
				return "", json.Valid(r.data[start:r.at])
			case !plain:
				var s string
				return s, json.Unmarshal(r.data[start:r.at], &s) == nil
			}
			inner := r.data[start+1 : i]
			whole := ascii || utf8.Valid(inner)
			if r.check {
				return "", whole
			}
			return string(inner), whole
		case c == '\\':
			plain = false
			i++ // what is escaped ends nothing
		case c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return "", false
}

// surelySmall is a number of digits that float64 holds, exact or not.
const surelySmall = 300

// number reads a number as far as its characters go. Whether they make one is
// not for strconv to say: it takes more than JSON does.
func (r *reader) number() (any, bool) {
	start := r.at
	for ; r.at < len(r.data); r.at++ {
		if c := r.data[r.at]; (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			break
		}
	}
	raw := r.data[start:r.at]
	if !json.Valid(raw) {
		return nil, false
	}
	if r.check && len(raw) <= surelySmall && !bytes.ContainsAny(raw, "eE") {
		return nil, true
	}
	v, err := number(json.Number(raw))
	return v, err == nil
}
