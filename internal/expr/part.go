package expr

import (
	"sort"
	"strings"

	"github.com/expr-lang/expr/vm"
)

// part is a compiled piece of a template.
type part interface{ eval(m *machine) (any, error) }

// literal holds no expression and is shared between evaluations.
type literal struct{ value any }

func (l literal) eval(*machine) (any, error) { return l.value, nil }

// whole is a string that is one expression: its result keeps its type.
type whole struct {
	pointer string
	program *vm.Program
}

func (w whole) eval(m *machine) (any, error) {
	v, err := m.result(w.program)
	return v, at(w.pointer, err)
}

// mixture is text with expressions in it; the result is a string.
type mixture struct {
	pointer string
	parts   []mixed
}

type mixed struct {
	text    string
	program *vm.Program // nil: text
}

func (x mixture) eval(m *machine) (any, error) {
	var b strings.Builder
	for _, p := range x.parts {
		if p.program == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := m.result(p.program)
		if err == nil && size(v, 0) > MaxResult {
			err = errTooLong
		}
		if err != nil {
			return nil, at(x.pointer, err)
		}
		if err := write(&b, v); err != nil {
			return nil, at(x.pointer, err)
		}
		if b.Len() > MaxResult {
			return nil, at(x.pointer, errTooLong)
		}
	}
	return b.String(), nil
}

// write adds a value to a text: strings as they are, null as nothing, the
// rest as JSON.
func write(b *strings.Builder, v any) error {
	switch v := v.(type) {
	case nil:
	case string:
		b.WriteString(v)
	default:
		enc, err := Encode(v)
		if err != nil {
			return err
		}
		b.Write(enc)
	}
	return nil
}

type list []part

func (l list) eval(m *machine) (any, error) {
	out := make([]any, len(l))
	for i, p := range l {
		v, err := p.eval(m)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

type object []field

type field struct {
	name string
	part part
}

func (o object) eval(m *machine) (any, error) {
	out := make(map[string]any, len(o))
	for _, f := range o {
		v, err := f.part.eval(m)
		if err != nil {
			return nil, err
		}
		out[f.name] = v
	}
	return out, nil
}

// at places an error in the template.
func at(pointer string, err error) error {
	if e, ok := err.(*Error); ok && e.Pointer == "" { //nolint:errorlint // ours, never wrapped
		return &Error{Pointer: pointer, Message: e.Message}
	}
	return err
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
