package workflow

import (
	"reflect"
	"testing"
)

// A number means the same in YAML and in JSON.
func TestWholeNumbersAreThoseOfJSON(t *testing.T) {
	t.Parallel()
	for _, n := range []string{"0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "12345678901234567890", "18446744073709551615", "123456789012345678901234567890"} {
		y, err := Parse([]byte("name: n\nvars: {n: " + n + "}\nsteps: [{id: a, type: transform, output: 1}]"))
		if err != nil {
			t.Errorf("%s in YAML: %v", n, err)
			continue
		}
		j, err := Parse([]byte(`{"name": "n", "vars": {"n": ` + n + `}, "steps": [{"id": "a", "type": "transform", "output": 1}]}`))
		if err != nil {
			t.Errorf("%s in JSON: %v", n, err)
			continue
		}
		if !reflect.DeepEqual(y.Vars, j.Vars) {
			t.Errorf("%s is %v in YAML and %v in JSON", n, y.Vars["n"], j.Vars["n"])
		}
	}
}
