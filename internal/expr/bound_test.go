package expr

import (
	"errors"
	"slices"
	"strings"
	"testing"

	lang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/builtin"
)

// moments are the functions that take a moment, whatever they are given.
var moments = []string{
	"type", "abs", "ceil", "floor", "round", "first", "last", "get", "take",
	"bitand", "bitor", "bitxor", "bitnand", "bitnot", "bitshl", "bitshr", "bitushr",
}

// dear names each function and operator whose cost depends on what it is given,
// with a call that is dear.
var dear = map[string]string{
	"all": `all(input.list, true)`, "none": `none(input.list, false)`, "any": `any(input.list, false)`, "one": `one(input.list, true)`,
	"filter": `filter(input.list, true)`, "map": `map(input.list, 1)`, "count": `count(input.list)`, "sum": `sum(input.list)`,
	"find": `find(input.list, false)`, "findIndex": `findIndex(input.list, false)`, "findLast": `findLast(input.list, false)`,
	"findLastIndex": `findLastIndex(input.list, false)`, "reduce": `reduce(input.list, #acc, 0)`,
	"groupBy": `groupBy(input.list, 1)`, "sortBy": `sortBy(input.list, 1)`,
	"len": `len(input.text)`, "int": `int(input.text)`, "float": `float(input.text)`, "string": `string(input.list)`,
	"trim": `trim(input.text)`, "trimPrefix": `trimPrefix(input.text, "x")`, "trimSuffix": `trimSuffix(input.text, "x")`,
	"upper": `upper(input.text)`, "lower": `lower(input.text)`, "split": `split(input.text, ",")`, "splitAfter": `splitAfter(input.text, "")`,
	"replace": `replace(input.text, "b", "a")`, "repeat": `repeat("ab", 50000)`, "join": `join(input.list, ",")`,
	"indexOf": `indexOf(input.text, "b")`, "lastIndexOf": `lastIndexOf(input.text, "b")`,
	"hasPrefix": `hasPrefix(input.text, "a")`, "hasSuffix": `hasSuffix(input.text, "a")`,
	"max": `max(input.list)`, "min": `min(input.list)`, "mean": `mean(input.list)`, "median": `median([1, input.list])`,
	"toJSON": `toJSON(input.list)`, "fromJSON": `fromJSON(input.text)`, "toBase64": `toBase64(input.text)`, "fromBase64": `fromBase64(input.text)`,
	"keys": `keys(input.object)`, "values": `values(input.object)`, "toPairs": `toPairs(input.object)`, "fromPairs": `fromPairs(input.list)`,
	"reverse": `reverse(input.list)`, "uniq": `uniq(input.list)`, "concat": `concat([1], input.list)`, "flatten": `flatten([[input.list]])`, "sort": `sort(input.list)`,

	"==": `input.list == input.again`, "!=": `input.text != input.list[0]`, "<": `input.text < input.o`, ">": `input.text > input.o`,
	"<=": `input.text <= input.o`, ">=": `input.text >= input.o`, "+": `input.text + input.s`, "..": `1..50000`, "in": `1 in input.list`,
	"contains": `input.text contains "b"`, "startsWith": `input.text startsWith "b"`, "endsWith": `input.text endsWith input.text`,
	"matches": `input.text matches "b"`, eachName: `count(input.list, true)`, keyName: `input.object[input.text]`,
}

// Nothing that can be called or written is free of cost where it works.
func TestEveryFunctionPaysForItsWork(t *testing.T) {
	t.Parallel()
	for _, name := range builtin.Names {
		if dear[name] == "" && !slices.Contains(moments, name) && !slices.Contains(disabled, name) {
			t.Errorf("it is not known what %s costs", name)
		}
	}
	for name := range functions {
		if dear[name] == "" {
			t.Errorf("it is not shown that %s costs", name)
		}
	}
	list, object := make([]any, 10_000), map[string]any{}
	for i := range list {
		list[i] = i
		object[strings.Repeat("k", i%100)+string(rune('a'+i/100))] = i
	}
	e := env()
	e["input"] = map[string]any{"list": list, "again": slices.Clone(list), "object": object, "text": strings.Repeat("a", 100_000), "s": "x", "o": strings.Repeat("b", 100_000)}
	for name, src := range dear {
		p, err := compile(src, lang.Env(scope.env()))
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		m := machineFor(e)
		m.meter.left = 5_000
		if v, err := m.run(p); err == nil || err.Error() != errWork.Message {
			t.Errorf("%s: %s is done with 5000 steps: %.50v, %v", name, src, v, err)
		}
		m.release()
	}
}

func TestLoopsInLoopsAreBounded(t *testing.T) {
	t.Parallel()
	shared := "let a = [1,2,3,4,5,6,7,8,9,10]; "
	for c := 'b'; c <= 'z'; c++ {
		shared += "let " + string(c) + " = [" + strings.TrimSuffix(strings.Repeat(string(c-1)+",", 10), ",") + "]; "
	}
	e := env()
	long := strings.Repeat("a", 2_000_000)
	e["input"].(map[string]any)["long"] = long
	e["input"].(map[string]any)["longs"] = []any{long + "b", long + "c"}
	e["input"].(map[string]any)["o"] = map[string]any{"f": nil}
	for _, src := range []string{
		`let a = 1..30000; sum(a, sum(a, sum(a, 1)))`,
		`sum(1..900000) + sum(1..900000) + sum(1..900000) + sum(1..900000) + sum(1..900000)`,
		`let s = repeat("a", 1000000); len(` + strings.Repeat("toBase64(", 24) + "s" + strings.Repeat(")", 25),
		`map(1..1000, repeat("a", 1000000) + "b")`,
		`map(1..1000, ({a: map(1..1000, ({b: {}}))}))`,
		`len(sort(map(1..100000, input.longs[# % 2])))`,
		`len(sortBy(1..100000, input.longs[# % 2]))`,
		`groupBy(1..100000, input.longs[# % 2])`,
		`count(1..100000, input.longs[0] == input.longs[1])`,
		`count(1..100000, input.o[input.long] == 1)`,
		`count(1..100000, input.long matches "(a|b)*c(x|y){1,100}")`,
		`count(1..100000, "x" matches "(x{100}){9}" + string(#))`,
		`count(1..100000, trim("ab", input.long) == "ab")`,
		`count(1..100000, "" matches "(a?){1000}b")`,
		`"x" matches repeat("x{1000}", 1000)`,
		shared + "z", shared + "[z, 1] == [z, 2]", shared + "string(z)", shared + "toJSON(z)", shared + "uniq(z)", shared + "flatten(z)",
		shared + "max(z)", shared + "z in z", shared + "fromPairs(z)", shared + "input.o[z ?? 1]", shared + "{(z): 1}", shared + "sortBy(z, #)",
		shared + "input.o?.f[z ?? 1]", shared + "input.n[z ?? 1:]",
	} {
		tpl, faults := CompileTemplate("{{ "+src+" }}", scope)
		if faults != nil {
			t.Errorf("%.70s: faults %v", src, faults)
			continue
		}
		_, err := tpl.Eval(e)
		var own *Error
		if !errors.As(err, &own) {
			t.Errorf("%.70s: got %v, want an *Error", src, err)
		} else if len(own.Message) > 200 {
			t.Errorf("%.70s: the error is %d bytes", src, len(own.Message))
		}
	}
}

// The expressions of one template share what one may take.
func TestATemplateIsBoundedAsAWhole(t *testing.T) {
	t.Parallel()
	one := "{{ sum(1..900000) }}"
	for n, want := range map[int]bool{1: true, 50: false} {
		tpl, faults := CompileTemplate(slices.Repeat([]any{one}, n), scope)
		if faults != nil {
			t.Fatal(faults)
		}
		if _, err := tpl.Eval(env()); (err == nil) != want {
			t.Errorf("%d times %s: %v", n, one, err)
		}
	}
	long := env()
	long["input"] = slices.Repeat([]any{strings.Repeat("a", 1<<20)}, 1000)
	tpl, faults := CompileTemplate("all: {{ input }}", scope)
	if faults != nil {
		t.Fatal(faults)
	}
	if _, err := tpl.Eval(long); err == nil {
		t.Error("a text of a gigabyte was made")
	}
}

func TestPatternsOfTheSourceAreBounded(t *testing.T) {
	t.Parallel()
	_, faults := CompileCondition(`input.s matches "`+strings.Repeat("x{1000}", 100)+`"`, scope)
	if len(faults) != 1 || !strings.Contains(faults[0].Detail, "regular expression") {
		t.Errorf("got %v", faults)
	}
}

// Honest work on some ten thousand elements is done.
func TestHonestWorkIsDone(t *testing.T) {
	t.Parallel()
	ids := make([]any, 20_000)
	for i := range ids {
		ids[i] = map[string]any{"id": "order-" + strings.Repeat("0", i%7) + string(rune('a'+i%26)), "n": i, "tags": []any{"a", "b"}}
	}
	e := env()
	e["input"] = map[string]any{"ids": ids, "few": ids[:1000]}
	for src, want := range map[string]string{
		`len(uniq(1..30000))`:                   `30000`,
		`len(uniq(map(input.ids, .id)))`:        `182`,
		`len(uniq(input.ids))`:                  `20000`,
		`len(sortBy(input.ids, .id))`:           `20000`,
		`len(sort(map(input.ids, .n), "desc"))`: `20000`,
		`len(map(input.ids, ({id: upper(.id), n: .n + 1, first: .tags[0], label: .id + ":" + string(.n)})))`: `20000`,
		`len(groupBy(input.ids, .id))`:                                           `182`,
		`count(input.few, let n = .n; find(input.few, .n == n) != nil)`:          `1000`,
		`count(input.ids, .id matches "^order-0*[a-m]$")`:                        `10003`,
		`len(fromJSON(toJSON(input.few)))`:                                       `1000`,
		`len(split(join(map(input.ids, .id), ","), ","))`:                        `20000`,
		`let some = map(input.few, .n)[:10]; len(filter(input.ids, .n in some))`: `10`,
		`uniq([1, 2/2, "1", [1], [1], {a: 1}, {a: 1}, nil, nil, true, "[1]"])`:   `[1,"1",[1],{"a":1},null,true,"[1]"]`,
	} {
		tpl, faults := CompileTemplate("{{ "+src+" }}", scope)
		if faults != nil {
			t.Errorf("%s: %v", src, faults)
			continue
		}
		got, err := tpl.Eval(e)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if b, _ := Encode(got); string(b) != want {
			t.Errorf("%s is %s, want %s", src, b, want)
		}
	}
}

// Paying changes no answer: what is patched says what the library says.
func TestPatchedIsTheLibrarysLanguage(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		`input.n == 2`, `input.n == input.f`, `input.s == input.missing`, `input.list == [1, 2, 3]`, `input.o == {a: 2, b: 1}`, `input.list != input.list`,
		`input.s < "y"`, `input.n >= input.f`, `input.n in input.list`, `"a" in input.o`, `input.s in ["x", "y"]`, `input.n not in 1..3`, `input.missing in input.list`,
		`input.n in input.missing`, `[1] in [[1], [2]]`, `input.s contains "x"`, `input.missing contains "x"`, `input.s startsWith input.s`, `input.s endsWith "y"`,
		`input.s matches "^x$"`, `input.s matches input.s`, `input.missing matches "x"`, `not (input.s matches "y")`, `3..1`, `1..4`, `input.n..4`, `input.s + "y"`, `input.n + input.f`,
		`len("héé")`, `len(input.list)`, `len(input.o)`, `int("12")`, `int(1.7)`, `float("1.5")`, `string(input.list)`, `string(input.o)`, `string(nil)`, `string(1.5)`,
		`trim("  a ")`, `trim("xxaxx", "x")`, `trimPrefix("ab", "a")`, `trimSuffix("ab", "b")`, `upper("aé")`, `lower("AÉ")`,
		`split("a,b,c", ",")`, `split("a,b,c", ",", 2)`, `split("aé", "")`, `splitAfter("a,b", ",")`, `replace("aaa", "a", "b")`, `replace("aaa", "a", "b", 2)`, `repeat("ab", 3)`,
		`join(["a", "b"], "-")`, `join(["a", "b"])`, `join(split("a,b", ","), "-")`, `indexOf("abc", "c")`, `lastIndexOf("abcabc", "c")`, `hasPrefix("abc", "a")`, `hasSuffix("abc", "a")`,
		`max(1, 2.5)`, `max(input.list)`, `min(input.list, 0)`, `mean(input.list)`, `median(input.list, [[7]])`, `fromJSON("[1,2.5]")`, `toBase64("abc")`, `fromBase64("YWJj")`,
		`fromPairs([["a", 1], ["b", 2]])`, `fromPairs([["a", 1]])["a"]`, `reverse(input.list)`, `reverse(1..3)`, `concat(input.list, [4], 5..6)`, `flatten([1, [2, [3, 4..5]], {a: 1}])`, `uniq([1, 2, 1, "a", "a"])`, `uniq(split("a,b,a", ","))`,
		`sort([3, 1, 2])`, `sort(input.list, "desc")`, `sort(split("b,a", ","))`, `sortBy([{k: 2}, {k: 1}], .k)`, `sortBy(input.list, -#)`, `sortBy(input.list, #, "desc")`, `groupBy(input.list, # % 2)`,
		`sum(input.list)`, `sum(1..10)`, `sum(input.list, # * 2)`, `count(input.list, # > 1)`, `count(input.list, # > 1) > 0`, `count([true, false])`, `filter(input.list, # > 1)[0]`, `map(filter(input.list, # > 1), # * 2)`,
		`len(filter(input.list, # > 1))`, `first(filter(input.list, # > 1))`, `last(filter(input.list, # > 1))`, `all(input.list, # > 0) && all(input.list, # < 3)`, `any(input.list, # == 2)`, `none(input.list, # == 2)`, `one(input.list, # == 2)`,
		`find(input.list, # > 1)`, `findIndex(input.list, # > 1)`, `findLast(input.list, # > 1)`, `findLastIndex(input.list, # > 1)`, `reduce(input.list, #acc + #, 10)`, `reduce(input.list, #acc + #index)`, `sum(map(input.list, # + 1))`,
		`input.list[input.n]`, `input.list[-1]`, `input.o[input.s]`, `input?.o?.[input.s]`, `input.list[1:]`, `input.list[:input.n]`, `"hello"[input.n:]`, `get(input.list, 1)`, `get(input, input.s)`, `take(input.list, 2)`, `{"a": 1, (input.s): 2}`,
		`input.list | map(# + 1) | sum()`, `let x = input.list; x | filter(# > 1) | len()`, `input.n > 1 ? "a" : "b"`, `input.missing ?? input.n`, `abs(-1)`, `-input.n`, `2 ** input.n`, `type(input.list)`,
	} {
		answer := func(p func() (any, error)) string {
			v, err := p()
			if err != nil {
				return "an error"
			}
			n, err := normal(v, 0, nil)
			if err != nil {
				return "an error"
			}
			b, err := Encode(n)
			if err != nil {
				return "an error"
			}
			return string(b)
		}
		theirs, err := lang.Compile(src, lang.Env(scope.env()))
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		ours, err := compile(src, lang.Env(scope.env()))
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		m := machineFor(env())
		want := answer(func() (any, error) { return lang.Run(theirs, map[string]any(env())) })
		if got := answer(func() (any, error) { return m.run(ours) }); got != want {
			t.Errorf("%s is %s, the library says %s", src, got, want)
		}
		m.release()
	}
}
