package expr

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

var scope = Scope{Upstream: []string{"a", "my-step"}, Steps: []string{"a", "my-step", "later"}, Vars: map[string]any{"host": "h"}}

func env() Env {
	return Env{
		"input": map[string]any{"n": 2, "f": 1.5, "s": "x", "list": []any{1, 2, 3}, "o": map[string]any{"b": 1, "a": 2}},
		"vars":  map[string]any{"host": "h"},
		"steps": map[string]any{
			"a":       map[string]any{"output": map[string]any{"id": 7}, "status": "succeeded", "response": nil, "error": nil},
			"my-step": map[string]any{"output": "dash", "status": "succeeded", "response": map[string]any{"status": 200, "headers": map[string]any{}}, "error": nil},
		},
		"execution": map[string]any{"id": "ex_1", "workflow": "w", "version": 1, "run": 1, "createdAt": "t"},
	}
}

func TestTemplateKeepsTypes(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`"{{ input.n + 1 }}"`:                            `3`,
		`"{{ input.f * 2 }}"`:                            `3`,
		`"n={{ input.n }} o={{ input.o }}{{ nil }}"`:     `"n=2 o={\"a\":2,\"b\":1}"`,
		`{"x":"{{ steps.a.output.id }}","y":[1,"k"]}`:    `{"x":7,"y":[1,"k"]}`,
		`"{{ {\"a\": {\"b\": \"}}\"}} }}"`:               `{"a":{"b":"}}"}}`,
		`"{{ steps[\"my-step\"].output }}"`:              `"dash"`,
		`"{{ steps[\"my-step\"].response.status }}"`:     `200`,
		`"{{ keys(input.o) }}"`:                          `["a","b"]`,
		`"{{ toPairs(input.o) }}"`:                       `[["a",2],["b",1]]`,
		`"{{ map(input.list, # * 2) }}"`:                 `[2,4,6]`,
		`"{{ groupBy(input.list, # % 2 == 0) }}"`:        `{"false":[1,3],"true":[2]}`,
		`"{{ split(\"a,b\", \",\") }}"`:                  `["a","b"]`,
		`"{{ \"a\" + \"b\" }}{{ input.s + \"y\" }}"`:     `"abxy"`,
		`"{{ toJSON(input.o) }}"`:                        `"{\"a\":2,\"b\":1}"`,
		`"{{ input.missing?.deeper ?? 5 }}"`:             `5`,
		`"plain"`:                                        `"plain"`,
		`"{{ vars.host }}:{{ execution.version }}"`:      `"h:1"`,
		`"{{ join(map(input.list, string(#)), \"-\")}}"`: `"1-2-3"`,
		`"{{ steps.a.error == nil }}"`:                   `true`,
	} {
		v, err := Decode([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		tpl, faults := CompileTemplate(v, scope)
		if faults != nil {
			t.Errorf("%s: faults %v", src, faults)
			continue
		}
		got, err := tpl.Eval(env())
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		b, err := Encode(got)
		if err != nil || string(b) != want {
			t.Errorf("%s: got %s (%v), want %s", src, b, err, want)
		}
	}
}

func TestRefusedAtCompileTime(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`steps.later.output`:             "not upstream",
		`steps.nope.output`:              `no step "nope"`,
		`steps[input.s].output`:          "must be named",
		`steps`:                          "must be named",
		`$env.steps.later`:               "$env",
		`$env`:                           "$env",
		`steps.a.outptu`:                 "does not compile",
		`vars.nope`:                      "does not compile",
		`unknown`:                        "unknown name unknown",
		`now()`:                          "does not compile",
		`1 +`:                            "does not compile",
		`callback.url`:                   "unknown name callback",
		`steps.a.status * 2`:             "does not compile",
		strings.Repeat("1+", 6000) + "1": "must be shorter",
	} {
		_, faults := CompileTemplate("{{ "+src+" }}", scope)
		if len(faults) != 1 || !strings.Contains(faults[0].Detail, want) {
			t.Errorf("%.40s: got %v, want %q", src, faults, want)
		}
	}
	if _, faults := CompileCondition(`input.n + 1`, scope); faults != nil {
		t.Errorf("a condition of unknown type is decided when it is evaluated, got %v", faults)
	}
	if _, faults := CompileCondition(`"yes"`, scope); len(faults) != 1 {
		t.Errorf("a string is no condition, got %v", faults)
	}
}

func TestEvaluationIsBounded(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		`repeat("x", 1000000000)`,
		`map(1..100000, map(1..100000, 1))`,
		`let a = "` + strings.Repeat("x", 1000) + `"; let b = a+a+a+a+a+a+a+a; let c = b+b+b+b+b+b+b+b; let d = c+c+c+c+c+c+c+c; let e = d+d+d+d+d+d+d+d; e`,
		`replace("` + strings.Repeat("x", 2000) + `", "x", "` + strings.Repeat("y", 2000) + `")`,
		`input.n % (input.n - 2)`,
		`input.s.field`,
		`input.list[10]`,
		`input.s * 2`,
		`fromJSON("{")`,
		`1 / 0`,
	} {
		tpl, faults := CompileTemplate("{{ "+src+" }}", scope)
		if faults != nil {
			t.Errorf("%.50s: faults %v", src, faults)
			continue
		}
		_, err := tpl.Eval(env())
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.50s: got %v, want an *Error", src, err)
		}
	}
}

// Numbers beyond int are floating-point, whatever they came in.
func TestNumbersBeyondIntKeepTheirSize(t *testing.T) {
	t.Parallel()
	for v, want := range map[any]string{
		uint64(math.MaxUint64): `18446744073709552000`, uint64(1 << 63): `9223372036854775808`,
		uint64(math.MaxInt64): `9223372036854775807`, uint8(255): `255`, int64(math.MinInt64): `-9223372036854775808`,
	} {
		b, err := Encode([]any{v})
		if err != nil {
			t.Errorf("%v: %v", v, err)
			continue
		}
		got, err := Decode(b)
		if err != nil {
			t.Errorf("%v: %v", v, err)
			continue
		}
		same, err := Decode([]byte("[" + want + "]"))
		if err != nil || !reflect.DeepEqual(got, same) {
			t.Errorf("%v became %s, want %s (%v)", v, b, want, err)
		}
	}
}
