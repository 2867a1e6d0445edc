package expr

import (
	"reflect"

	"github.com/expr-lang/expr/vm/runtime"
)

func add(m *meter, args []any) (any, error) {
	a, ok := args[0].(string)
	b, too := args[1].(string)
	if ok && too {
		if len(a)+len(b) > maxString {
			return nil, errTooLong
		}
		if err := m.build(len(a) + len(b)); err != nil {
			return nil, err
		}
	}
	return runtime.Add(args[0], args[1]), nil
}

// span is the list from one number to another.
func span(m *meter, args []any) (any, error) {
	from, to := runtime.ToInt(args[0]), runtime.ToInt(args[1])
	if from > to {
		return []int{}, nil
	}
	n := to - from // less one; below 0 where it is beyond int
	if n < 0 || n >= vmBudget {
		return nil, errTooMany
	}
	if err := m.spend(perVisit * (n + 1)); err != nil {
		return nil, err
	}
	return runtime.MakeRange(from, to), nil
}

func equals(m *meter, args []any) (any, error) { return m.equal(args[0], args[1]) }

func differs(m *meter, args []any) (any, error) {
	same, err := m.equal(args[0], args[1])
	return !same, err
}

// equal compares; two lists or objects are gone through as far as one goes.
func (m *meter) equal(a, b any) (bool, error) {
	var err error
	switch a := a.(type) {
	case nil, bool, int, float64:
	case string:
		err = m.look(a)
	default:
		switch b.(type) {
		case nil, bool, int, float64, string:
		default:
			err = m.deep(a, 0)
		}
	}
	if err != nil {
		return false, err
	}
	return runtime.Equal(a, b), nil
}

// compare orders two strings or numbers.
func compare(operator string) metered {
	f := map[string]func(a, b any) bool{
		"<": runtime.Less, ">": runtime.More, "<=": runtime.LessOrEqual, ">=": runtime.MoreOrEqual,
	}[operator]
	return func(m *meter, args []any) (any, error) {
		if err := m.look(args[0]); err != nil {
			return nil, err
		}
		return f(args[0], args[1]), nil
	}
}

// in compares with each element of a list, or asks an object for a key.
func in(m *meter, args []any) (any, error) {
	before := m.left
	if err := m.deep(args[0], 0); err != nil {
		return nil, err
	}
	if _, ok := args[1].(map[string]any); !ok && args[1] != nil {
		each := perVisit + before - m.left - perValue
		if err := m.spend(each * length(args[1])); err != nil {
			return nil, err
		}
	}
	return runtime.In(args[0], args[1]), nil
}

// length is that of a list, and 1 for all else.
func length(v any) int {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Slice, reflect.Array:
		return r.Len()
	}
	return 1
}
