package expr

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// Whatever is compiled either is refused with a sentence or evaluates to a
// value that JSON can hold, or to an *Error.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"plain", "{{ input.n }}", "a{{ 1 }}b{{ \"}}\" }}", "{{", "{{ {\"a\": {}} }}", "{{ steps.a.output.id }}",
		"{{ map(input.list, # + 1) }}", "{{ input.o | keys() }}", "{{ 1 / 0 }}", "{{ input.s[1:] }}", "{{ $env }}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tpl, faults := CompileTemplate(s, scope)
		if (tpl == nil) == (len(faults) == 0) {
			t.Fatalf("%q: template %v and faults %v", s, tpl, faults)
		}
		if tpl == nil {
			return
		}
		v, err := tpl.Eval(env())
		var own *Error
		if err != nil && !errors.As(err, &own) {
			t.Fatalf("%q: %v is no *Error", s, err)
		}
		again, errAgain := tpl.Eval(env())
		if (err == nil) != (errAgain == nil) || !reflect.DeepEqual(v, again) {
			t.Fatalf("%q: %v, then %v", s, v, again)
		}
		if err == nil {
			if _, err := Encode(v); err != nil {
				t.Fatalf("%q: %v does not encode: %v", s, v, err)
			}
		}
	})
}

// What decodes, encodes, and decodes to the same. The short way decodes to what
// the long way does.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5,"x",null,true]}`, `1e400`, `"\u2028\ud800"`, `[[[[]]]]`, `{"a":1,"a":2}`, `9223372036854775808`, `-0`,
		"", " ", "\t[ ]\n", `{}`, `{ "a" : false , "b" : [ ] }`, `"é\n"`, "\"\xff\"", "\"\n\"", `"\`, `"\"`, `"\"`, `nul`, `[1,]`, `{"a"}`, `{"a":}`, `{,}`,
		`01`, `1.`, `+1`, `.5`, `1e`, `-`, `1 2`, `[1 2]`, `1.0`, `1e3`, `1e17`, `1e19`, `0.1`, `"a" "b"`, "\x00", `{"a":1}}`, `"\ud83d\ude00"`,
		strings.Repeat("[", 200) + strings.Repeat("]", 200), strings.Repeat("[", 201) + strings.Repeat("]", 201), strings.Repeat("[", 202) + strings.Repeat("]", 202),
		`1e308`, `1e309`, `-1e999`, `1e-999`, `{"n":1e999,"n":1}`, strings.Repeat("9", 300), strings.Repeat("9", 310), "0." + strings.Repeat("9", 400),
		strings.Repeat("[", 201) + "1" + strings.Repeat("]", 201), strings.Repeat(`{"a":`, 201) + "1" + strings.Repeat("}", 201), strings.Repeat("[", 20_000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Decode(data)
		long, longErr := decodeAny(data)
		if (err == nil) != (longErr == nil) || !reflect.DeepEqual(v, long) {
			t.Fatalf("%q: %#v (%v), the long way %#v (%v)", data, v, err, long, longErr)
		}
		if checked := Check(data); (checked == nil) != (err == nil) || err != nil && checked.Error() != err.Error() {
			t.Fatalf("%q: decoding says %v, checking says %v", data, err, checked)
		}
		if err != nil {
			return
		}
		enc, err := Encode(v)
		if err != nil {
			t.Fatalf("%s decodes and does not encode: %v", data, err)
		}
		back, err := Decode(enc)
		if err != nil || !reflect.DeepEqual(v, back) {
			t.Fatalf("%s: %#v became %s and then %#v (%v)", data, v, enc, back, err)
		}
	})
}

// Equal values give equal bytes, in whatever order their maps were filled.
func TestEncodeIsDeterministic(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	keys := []string{"a", "b", "c", "d", "é", "\"", "<", "\n"}
	want := ""
	for range 50 {
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		m := map[string]any{}
		for _, k := range keys {
			m[k] = len(k)
		}
		b, err := Encode(map[string]any{"m": m, "l": []any{m}})
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(b)
		}
		if string(b) != want {
			t.Fatalf("%s and %s", b, want)
		}
	}
}

// Evaluating never changes what the environment holds: it is shared.
func TestEvalLeavesTheEnvironmentAlone(t *testing.T) {
	t.Parallel()
	e, want := env(), env()
	for _, src := range []string{"{{ sort(input.list) }}", "{{ reverse(input.list) }}", "{{ concat(input.list, [1]) }}", "{{ flatten([input.list]) }}", "{{ toPairs(input.o) }}", "{{ fromPairs(toPairs(input.o)) }}", "{{ uniq(input.list) }}", "{{ input }}"} {
		tpl, faults := CompileTemplate(src, scope)
		if faults != nil {
			t.Fatalf("%s: %v", src, faults)
		}
		if _, err := tpl.Eval(e); err != nil {
			t.Errorf("%s: %v", src, err)
		}
		if !reflect.DeepEqual(e, want) {
			t.Fatalf("%s changed the environment", src)
		}
	}
}

// What is valid JSON and beyond a bound is told from what is none.
func TestCheckSaysWhichBound(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`{"id":7,"n":1e999}`: "a number is too large",
		strings.Repeat("[", 250) + strings.Repeat("]", 250):       "values may nest 200 deep at most",
		strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000): "values may nest 200 deep at most",
		`{"id":7,`: "",
		``:         "",
		`1 2`:      "",
	} {
		err := Check([]byte(src))
		var bound *Error
		switch {
		case err == nil:
			t.Errorf("%.20s is taken", src)
		case errors.As(err, &bound) != (want != "") || want != "" && bound.Message != want:
			t.Errorf("%.20s: %v, want a bound: %q", src, err, want)
		}
	}
}

// The pair to compare: what an answer of 1 KB costs to check, and what
// encoding/json takes to find it valid.
func BenchmarkCheck(b *testing.B) {
	src := []byte(`{"items":[` + strings.Repeat(`{"id":12345,"name":"a thing","price":12.5,"tags":["x","y"]},`, 16) + `null],"ok":true}`)
	for name, check := range map[string]func() bool{
		"check": func() bool { return Check(src) == nil },
		"valid": func() bool { return json.Valid(src) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !check() {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkEval(b *testing.B) {
	tpl, faults := CompileTemplate(map[string]any{"url": "{{ vars.host }}/x", "body": map[string]any{"id": "{{ steps.a.output.id }}", "n": "{{ input.n }}"}}, scope)
	if faults != nil {
		b.Fatal(faults)
	}
	e := env()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tpl.Eval(e); err != nil {
			b.Fatal(err)
		}
	}
}
