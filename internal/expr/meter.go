package expr

// meter counts the work of one evaluation down.
type meter struct{ left int }

// spend pays for n units, or ends the evaluation. The panic is caught by the
// virtual machine, which has no other way to be stopped.
func (m *meter) spend(n int) {
	if m.left -= n; n < 0 || m.left < 0 {
		m.left = 0
		panic(ErrTooCostly)
	}
}

// text pays for touching n bytes.
func (m *meter) text(n int) { m.spend(1 + n/8) }

// fail is a reason that may be shown: it names kinds and limits, no values.
type fail string

func (f fail) Error() string { return string(f) }

// describe names the kind of a value, for messages.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case int, float64, uint8:
		return "a number"
	case string:
		return "a string"
	case []any, []int, []string, []float64:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "something that is no JSON value"
}
