package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const full = `
name: order
input: {type: object, required: [id], properties: {id: {type: integer}}}
retry: {strategy: fixed, attempts: 3, initial: 1s}
timeout: 1h
vars: {shop: "http://127.0.0.1:1"}
steps:
  - {id: load, type: http, request: {url: "{{ vars.shop }}/orders/{{ input.id }}"}}
  - id: big
    type: transform
    output: {total: "{{ steps.load.output.total * 2 }}"}
  - {id: ask, type: callback, when: steps.big.output.total > 10, timeout: 10m, schema: {type: object}, request: {method: POST, url: "http://x/ask", body: {url: "{{ callback.url }}"}}}
  - {id: side, type: wait, needs: [load], duration: 12m30s}
  - {id: last, type: http, needs: [ask, side], idempotent: false, attemptTimeout: 10s, timeout: 2m, retry: none, request: {url: "https://example.com/{{ input.id }}"}}
output: {done: "{{ steps.last.status }}"}
`

func TestParseFull(t *testing.T) {
	t.Parallel()
	d, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	if d.Timeout != time.Hour || len(d.Steps) != 5 || d.Step("load").Retry.Attempts != 3 {
		t.Fatalf("%+v", d)
	}
	if last := d.Step("last"); len(last.Needs) != 2 || last.Retry.Attempts != 1 || last.Idempotent || last.Timeout != 2*time.Minute {
		t.Fatalf("%+v", last)
	}
	again, err := Parse(d.Source())
	if err != nil || !bytes.Equal(again.Source(), d.Source()) {
		t.Fatalf("%v\n%s", err, d.Source())
	}
	if f := d.CheckInput(map[string]any{"id": "x"}); len(f) != 1 || f[0].Pointer != "/id" {
		t.Fatalf("%v", f)
	}
	if f := d.CheckInput(map[string]any{"id": 1}); f != nil {
		t.Fatalf("%v", f)
	}
}

// Each document has the faults named beside it, all at once.
func TestFaults(t *testing.T) {
	t.Parallel()
	step := func(s string) string { return "name: w\nsteps:\n  - " + s }
	for name, c := range map[string]struct{ doc, want string }{
		"json twice":         {`{"name":"a","name":"b"}`, "twice"},
		"yaml twice":         {"name: a\nname: b", "twice"},
		"no steps":           {"name: w", `/: the field "steps" is missing`},
		"empty steps":        {"name: w\nsteps: []", "/steps: must hold at least one"},
		"bad name":           {"name: W!\nsteps: [{id: a, type: transform, output: 1}]", "/name: must be"},
		"unknown field":      {step("{id: a, type: transform, output: 1, foo: 2}"), `/steps/0/foo: there is no field "foo"`},
		"later field":        {step("{id: a, type: http, request: {url: \"http://x\"}, compensate: {}}"), "/steps/0/compensate: the field \"compensate\" is not supported by this version"},
		"later type":         {step("{id: a, type: n8n}"), `/steps/0/type: the step type "n8n" is not supported by this version`},
		"later on":           {"name: w\non: []\nsteps: [{id: a, type: transform, output: 1}]", "/on: the field \"on\" is not supported by this version"},
		"later unless":       {step("{id: a, type: http, request: {url: \"http://x\"}, retry: {unless: x}}"), "/steps/0/retry/unless: the field \"unless\" is not supported"},
		"later strategy":     {step("{id: a, type: http, request: {url: \"http://x\"}, retry: {strategy: linear}}"), `/steps/0/retry/strategy: "linear" is not supported`},
		"unknown type":       {step("{id: a, type: foo}"), "/steps/0/type: must be one of http, transform, wait, callback, webhook and stepfunctions"},
		"bad id":             {step("{id: 1a, type: transform, output: 1}"), "/steps/0/id: must be 1 to 64"},
		"reserved id":        {step("{id: start, type: transform, output: 1}"), `/steps/0/id: must not be "start": a retry from there`},
		"other reserved id":  {step("{id: failed, type: transform, output: 1}\n  - {id: a, type: transform, output: 1, needs: [failed]}"), `/steps/0/id: must not be "failed"`},
		"duplicate id":       {step("{id: a, type: transform, output: 1}\n  - {id: a, type: transform, output: 1}"), "/steps/1/id: the id \"a\" is there twice"},
		"unknown need":       {step("{id: a, type: transform, output: 1, needs: [b]}"), `/steps/0/needs/0: there is no step "b"`},
		"empty need":         {step("{id: a, type: transform, output: 1, needs: ['']}"), "/steps/0/needs/0: must be the id of a step"},
		"self need":          {step("{id: a, type: transform, output: 1, needs: [a]}"), "cannot need itself"},
		"cycle":              {step("{id: a, type: transform, output: 1, needs: [b]}\n  - {id: b, type: transform, output: 1}"), "wait for each other"},
		"not upstream":       {step("{id: a, type: transform, needs: [], output: \"{{ steps.b.output }}\"}\n  - {id: b, type: transform, needs: [], output: 1}"), `/steps/0/output: step "b" is not upstream`},
		"no compile":         {step("{id: a, type: transform, output: {x: \"{{ 1 + }}\"}}"), "/steps/0/output/x: does not compile"},
		"when not bool":      {step("{id: a, type: transform, when: '1', output: 1}"), "/steps/0/when"},
		"when in braces":     {step("{id: a, type: transform, when: '{{ input.x }}', output: 1}"), "/steps/0/when: must be the bare expression, without {{ and }}"},
		"host":               {step("{id: a, type: http, request: {url: \"http://x\", headers: {HOST: y}}}"), "/steps/0/request/headers/HOST: must not be set: it comes from url"},
		"own key":            {step("{id: a, type: http, request: {url: \"http://x\", headers: {Idempotency-Key: y}}}"), "/steps/0/request/headers/Idempotency-Key: must not be set: it is set for every call"},
		"own auth":           {step("{id: a, type: http, request: {url: \"http://x\", auth: {header: {name: Traceparent, secret: s}}}}"), "/steps/0/request/auth/header/name: must not be set"},
		"header's name":      {step("{id: a, type: webhook, url: \"http://x\", sign: {secret: s}, headers: {a b: y}}"), "/steps/0/headers/a b: must be the name of a header"},
		"header's lines":     {step("{id: a, type: http, request: {url: \"http://x\", headers: {A: \"b\\nc\"}}}"), "/steps/0/request/headers/A: must be one line"},
		"header's list":      {step("{id: a, type: http, request: {url: \"http://x\", headers: {A: [1]}}}"), "/steps/0/request/headers/A: must be a string"},
		"header twice":       {step("{id: a, type: http, request: {url: \"http://x\", headers: {A: b, a: c}}}"), "/steps/0/request/headers/a: must be given once"},
		"number of seconds":  {"name: w\ntimeout: 5\nsteps: [{id: a, type: transform, output: 1}]", "/timeout: must be a duration such as"},
		"zero duration":      {step("{id: a, type: wait, duration: 0s}"), "/steps/0/duration: must be at least"},
		"bad duration":       {step("{id: a, type: wait, duration: soon}"), "/steps/0/duration: must be a duration"},
		"two ends":           {step("{id: a, type: wait, duration: 1s, until: x}"), "either duration or until"},
		"bad until":          {step("{id: a, type: wait, until: tomorrow}"), "/steps/0/until: must be an RFC 3339"},
		"step too long":      {"name: w\ntimeout: 1m\nsteps: [{id: a, type: http, timeout: 2m, request: {url: \"http://x\"}}]", "/steps/0/timeout: must not be beyond the workflow's timeout"},
		"attempt too long":   {step("{id: a, type: http, attemptTimeout: 15m, request: {url: \"http://x\"}}"), "/steps/0/attemptTimeout: must be at most 14m"},
		"attempt over step":  {step("{id: a, type: http, timeout: 5s, attemptTimeout: 6s, request: {url: \"http://x\"}}"), "must not be beyond the step's timeout"},
		"wait over all":      {"name: w\ntimeout: 1h\nsteps: [{id: a, type: wait, duration: 2h}]", "/steps/0/duration: must not be beyond the workflow's timeout of 1h"},
		"attempt over all":   {"name: w\ntimeout: 1s\nsteps: [{id: a, type: http, attemptTimeout: 14m, request: {url: \"http://x\"}}]", "/steps/0/attemptTimeout: must not be beyond the workflow's timeout of 1s"},
		"announcement":       {"name: w\ntimeout: 1m\nsteps: [{id: a, type: callback, attemptTimeout: 2m, request: {url: \"http://x\"}}]", "/steps/0/attemptTimeout: must not be beyond the workflow's timeout of 1m"},
		"year":               {"name: w\ntimeout: 366d\nsteps: [{id: a, type: transform, output: 1}]", "/timeout: must be at most 365d"},
		"attempts":           {step("{id: a, type: http, retry: {attempts: 101}, request: {url: \"http://x\"}}"), "/steps/0/retry/attempts: must be a whole number from 1 to 100"},
		"max below initial":  {step("{id: a, type: http, retry: {initial: 5s, max: 1s}, request: {url: \"http://x\"}}"), "/steps/0/retry/max: must not be less"},
		"preset":             {"name: w\nretry: mine\nsteps: [{id: a, type: transform, output: 1}]", `/retry: there is no preset "mine"`},
		"no url":             {step("{id: a, type: http, request: {method: GET}}"), `/steps/0/request: the field "url" is missing`},
		"relative url":       {step("{id: a, type: http, request: {url: /x}}"), "/steps/0/request/url: must be an absolute"},
		"user in url":        {step("{id: a, type: http, request: {url: \"http://u:p@x\"}}"), "must not hold a user"},
		"method":             {step("{id: a, type: http, request: {method: FETCH, url: \"http://x\"}}"), "/steps/0/request/method: must be GET"},
		"input schema":       {"name: w\ninput: {type: 5}\nsteps: [{id: a, type: transform, output: 1}]", "/input"},
		"remote schema":      {"name: w\ninput: {$ref: \"http://example.com/s\"}\nsteps: [{id: a, type: transform, output: 1}]", "/input"},
		"no state machine":   {step("{id: a, type: stepfunctions}"), `/steps/0: the field "stateMachine" is missing`},
		"no arn":             {step("{id: a, type: stepfunctions, stateMachine: orders}"), "/steps/0/stateMachine: must be the ARN of a state machine"},
		"execution's arn":    {step("{id: a, type: stepfunctions, stateMachine: \"arn:aws:states:eu-central-1:123456789012:execution:orders:x\"}"), "/steps/0/stateMachine: must be the ARN"},
		"named start":        {step("{id: a, type: stepfunctions, idempotent: false, stateMachine: \"{{ input.m }}\"}"), "/steps/0/idempotent: must be true"},
		"express":            {step("{id: a, type: stepfunctions, express: 1, stateMachine: \"{{ input.m }}\"}"), "/steps/0/express: must be true or false"},
		"input's expression": {step("{id: a, type: stepfunctions, stateMachine: \"{{ input.m }}\", input: {a: \"{{ nope }}\"}}"), "/steps/0/input/a: does not compile"},
		"callback elsewhere": {step("{id: a, type: http, request: {url: \"http://x/{{ callback.url }}\"}}"), "/steps/0/request/url: does not compile: unknown name callback"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(c.doc))
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want faults", err)
			}
			all := ""
			for _, f := range faults {
				pointer := f.Pointer
				if pointer == "" {
					pointer = "/"
				}
				all += pointer + ": " + f.Detail + "\n"
			}
			if !strings.Contains(all, c.want) {
				t.Errorf("got\n%swant %q", all, c.want)
			}
		})
	}
}

// What is neither JSON nor YAML has no pointers, but a place.
func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		"":                              "is empty",
		"{\n \"name\": }":               "at line 2, column",
		"{\"name\": \"w\"":              "it ends too early, at line 1, column 12",
		"name: [":                       "not YAML",
		"name: a\n  b: c\n":             "at line 2",
		"name: a\n---\nname: b\n":       "one YAML document",
		`{"name":"w","steps":[]} extra`: "not",
	} {
		_, err := Parse([]byte(doc))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(syntax.Detail, want) {
			t.Errorf("%q: got %v, want a syntax error with %q", doc, err, want)
		}
	}
}

// Editors put a byte order mark in front of what they save.
func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{`{"name":"w","steps":[{"id":"a","type":"transform","output":1}]}`, "name: w\nsteps: [{id: a, type: transform, output: 1}]"} {
		plain, err := Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		marked, err := Parse([]byte("\ufeff" + doc))
		if err != nil || !bytes.Equal(marked.Source(), plain.Source()) {
			t.Errorf("%s: got %v, want the same document as without the mark", doc, err)
		}
	}
}

func TestVersionOfYAML(t *testing.T) {
	t.Parallel()
	const doc = "name: w\nvars: {v: '%YAML 1.2'}\nsteps: [{id: a, type: transform, output: 1}]\n"
	for _, head := range []string{"%YAML 1.2\n---\n", "# first\n\n%YAML  1.2 # then\n---\n", "\ufeff%YAML 1.2\r\n---\r\n", "%YAML 1.1\n---\n"} {
		if d, err := Parse([]byte(head + doc)); err != nil || d.Vars["v"] != "%YAML 1.2" {
			t.Errorf("%q: got %v, want the document", head, err)
		}
	}
	var syntax *SyntaxError
	if _, err := Parse([]byte("%YAML 2.0\n---\n" + doc)); !errors.As(err, &syntax) {
		t.Errorf("got %v, want that YAML 2.0 is not known", err)
	}
}

// A zero in front is most often that of a postal code or of a telephone number.
func TestNumbersWithAZeroInFront(t *testing.T) {
	t.Parallel()
	parse := func(v string) (*Document, error) {
		return Parse([]byte("name: w\nvars: {v: " + v + "}\nsteps: [{id: a, type: transform, output: 1}]"))
	}
	for _, v := range []string{"01234", "0089", "-017", "+017", "00", "0_17", "-0o17", "+0x1F", "-0b11"} {
		_, err := parse(v)
		var faults Faults
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Pointer != "/vars/v" || !strings.Contains(faults[0].Detail, "the number "+v+" means another one") {
			t.Errorf("%s: got %v, want one fault", v, err)
		}
	}
	for v, want := range map[string]any{"0": 0, "-0.5": -0.5, "00.5": 0.5, "0o17": 15, "0x1F": 31, "1234": 1234, "-12": -12, "'01234'": "01234", "01-02": "01-02", "0049 30 1": "0049 30 1"} {
		if d, err := parse(v); err != nil || d.Vars["v"] != want {
			t.Errorf("%s: got %v, want %v", v, err, want)
		}
	}
}

// Ids are compared by their case, and only as they stand do two of them mean
// something else to a retry.
func TestReservedIDs(t *testing.T) {
	t.Parallel()
	for id, fine := range map[string]bool{"start": false, "failed": false, "Start": true, "FAILED": true, "started": true} {
		doc := `{"name":"w","steps":[{"id":"` + id + `","type":"transform","output":1},{"id":"b","type":"transform","output":1,"needs":["` + id + `"]}]}`
		_, err := Parse([]byte(doc))
		var faults Faults
		if fine != (err == nil) || !fine && (!errors.As(err, &faults) || len(faults) != 1) {
			t.Errorf("%s: got %v, want it taken: %t, or one fault", id, err, fine)
		}
		if schemaAccepts(t, doc) != fine {
			t.Errorf("%s: the schema differs", id)
		}
	}
}

// Only what was given can contradict: defaults make room.
func TestDurationsThatMakeRoom(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"as long as all":      "timeout: 1h\nsteps: [{id: a, type: wait, duration: 1h}]",
		"beyond the default":  "steps: [{id: a, type: wait, duration: 40d}]",
		"known later":         "timeout: 1h\nsteps: [{id: a, type: wait, duration: '{{ input.d }}'}]",
		"default attempt":     "timeout: 1s\nsteps: [{id: a, type: http, request: {url: 'http://x'}}]",
		"default in the step": "timeout: 1m\nsteps: [{id: a, type: http, timeout: 1s, request: {url: 'http://x'}}]",
		"attempt of all":      "timeout: 1m\nsteps: [{id: a, type: http, attemptTimeout: 1m, request: {url: 'http://x'}}]",
	} {
		if _, err := Parse([]byte("name: w\n" + doc)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte("name: W\ntimeout: x\nfoo: 1\nsteps:\n  - {id: a, type: transform, output: \"{{ nope }}\"}\n  - {id: b, type: http, request: {url: x}}\n"))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 5 {
		t.Fatalf("%d faults, 5 wanted: %v", len(faults), faults)
	}
}

// A fault in the graph hides no other: what an expression may read is then not
// known, but whether it compiles is.
func TestFaultsBesideABrokenGraph(t *testing.T) {
	t.Parallel()
	rest := `
  - {id: w, type: wait, needs: [], until: tomorrow}
  - {id: x, type: http, needs: [], request: {url: "ftp://x", method: FETCH, body: "{{ steps.later.output }}"}}
  - {id: later, type: transform, needs: [], output: "{{ 1 + }}"}
output: "{{ nope }}"`
	for name, graph := range map[string]string{
		"unknown need": "{id: a, type: transform, output: 1, needs: [gone]}",
		"twice":        "{id: a, type: transform, output: 1}\n  - {id: a, type: transform, output: 1}",
		"cycle":        "{id: a, type: transform, output: 1, needs: [b]}\n  - {id: b, type: transform, output: 1, needs: [a]}",
		"bad id":       "{id: 1a, type: transform, output: 1}\n  - {id: b, type: transform, output: '{{ steps[\"1a\"].output }}'}",
		"later type":   "{id: a, type: n8n, needs: [gone]}\n  - {id: b, type: transform, output: '{{ steps.a.output }}'}",
	} {
		_, err := Parse([]byte("name: w\nsteps:\n  - " + graph + rest))
		var faults Faults
		if !errors.As(err, &faults) {
			t.Fatalf("%s: got %v, want faults", name, err)
		}
		all := fmt.Sprintf("%q", []Fault(faults))
		for _, want := range []string{"/until", "/request/url", "/request/method", `/output" "does not compile: unexpected`, `"/output" "does not compile: unknown name nope`} {
			if !strings.Contains(all, want) {
				t.Errorf("%s: got\n%s\nwant %q", name, all, want)
			}
		}
		if strings.Contains(all, "upstream") || strings.Contains(all, "request/body") {
			t.Errorf("%s: faults that follow from another: %s", name, all)
		}
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{"90s": 90 * time.Second, "1d12h": 36 * time.Hour, "500ms": 500 * time.Millisecond, "1.5h": 90 * time.Minute, "0s": 0} {
		if d, err := ParseDuration(s); err != nil || d != want {
			t.Errorf("%s: %v %v", s, d, err)
		}
	}
	for _, s := range []string{"", "5", "s", "-1s", "1y", "1 s", "99999999999999d", "1.2.3s", "1e3s"} {
		if d, err := ParseDuration(s); err == nil {
			t.Errorf("%q was taken for %v", s, d)
		}
	}
	for d := time.Millisecond; d < 400*24*time.Hour; d = d*3 + time.Millisecond {
		if back, err := ParseDuration(FormatDuration(d)); err != nil || back != d {
			t.Errorf("%v became %s and then %v", d, FormatDuration(d), back)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"name":"a","steps":[{"id":"a","type":"transform","output":1}]}`))
	f.Add([]byte("name: a\nsteps: &x [{id: a, type: wait, duration: 1s}]\nvars: {y: *x}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(d.Source())
		if err != nil || !bytes.Equal(again.Source(), d.Source()) {
			t.Fatalf("%q became %q: %v", data, d.Source(), err)
		}
	})
}

// A small YAML document does not become a large one by its aliases: not of many
// nodes, not of long texts, nor of long keys.
func TestAliasesDoNotMakeALargeDocument(t *testing.T) {
	t.Parallel()
	times := func(n int, s string) string { return strings.Repeat(s, n) }
	for name, input := range map[string]string{
		"nodes": "[&a [" + times(500, "1, ") + "1], " + times(500, "*a, ") + "*a]",
		"texts": "[&a " + times(100<<10, "x") + ", " + times(5000, "*a, ") + "*a]",
		"keys":  "[&a {" + times(1000, "x") + ": 1}, " + times(5000, "*a, ") + "*a]",
		"depth": times(101, "[") + times(101, "]"),
	} {
		for kind, doc := range map[string]string{
			"source":   "name: a\nverify: {secrets: [a]}\nstart: {workflow: w, input: " + input + "}",
			"workflow": "name: a\nsteps: [{id: a, type: transform, output: " + input + "}]",
		} {
			var err error
			if kind == "source" {
				_, err = ParseSource([]byte(doc))
			} else {
				_, err = Parse([]byte(doc))
			}
			var faults Faults
			if !errors.As(err, &faults) || len(faults) != 1 || !strings.Contains(faults[0].Detail, "too large or nests too deep") {
				t.Errorf("%s of a %s: %.200v, want one fault", name, kind, err)
			}
		}
	}
	shared := "name: a\nvars: {v: &v {x: '1'}}\nsteps: [{id: a, type: transform, output: [*v, *v]}]"
	if _, err := Parse([]byte(shared)); err != nil {
		t.Errorf("ordinary aliases: %v", err)
	}
}
