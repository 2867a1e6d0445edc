package workflow

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/expr"
)

const fullSource = `
name: shop
verify: {scheme: standard-webhooks, secrets: [shop-new, shop], tolerance: 2m}
dedupe: {key: "{{ event.body.id }}", ttl: 7d}
start: {workflow: big-order, version: 3, input: {order: "{{ event.body.order }}", by: "{{ event.headers['user-agent'] }}", at: "{{ event.source }}/{{ event.id }}"}}
`

func TestParseSource(t *testing.T) {
	t.Parallel()
	s, err := ParseSource([]byte(fullSource))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "shop" || strings.Join(s.Secrets, " ") != "shop-new shop" || s.DedupeTTL != 7*24*time.Hour || s.Workflow != "big-order" || s.Version != 3 || len(s.Warnings()) != 0 {
		t.Errorf("got %+v, %v", s, s.Warnings())
	}
	again, err := ParseSource(s.Source())
	if err != nil || !bytes.Equal(again.Source(), s.Source()) {
		t.Errorf("%v\n%s", err, s.Source())
	}
	env := expr.Env{"event": map[string]any{"id": "m1", "source": "shop", "headers": map[string]any{"user-agent": "curl"}, "body": map[string]any{"id": 7, "order": "o"}}}
	in, err := s.Input.Eval(env)
	if m, _ := in.(map[string]any); err != nil || m["order"] != "o" || m["by"] != "curl" || m["at"] != "shop/m1" {
		t.Errorf("got %v, %v", in, err)
	}
	short, err := ParseSource([]byte(`{"name": "a", "verify": {"secrets": ["a"]}, "start": {"workflow": "w"}}`))
	if err != nil || short.DedupeTTL != DefaultDedupe || short.Input != nil || short.DedupeKey != nil || !short.Scheme.SignsTime() {
		t.Errorf("got %+v, %v", short, err)
	}
}

func TestSourceWarnings(t *testing.T) {
	t.Parallel()
	for verify, want := range map[string]string{
		"{secrets: [a]}": "",
		"{scheme: hmac, header: S, secrets: [a]}":                                                                     "/verify /verify",
		"{scheme: hmac, header: S, idHeader: I, secrets: [a]}":                                                        "/verify/idHeader /verify",
		`{scheme: hmac, header: S, idHeader: I, timestampHeader: T, signed: "{id}.{timestamp}.{body}", secrets: [a]}`: "",
		`{scheme: hmac, header: S, idHeader: Idempotency-Key, signed: "{id}.{body}", secrets: [a]}`:                   "/verify",
		`{scheme: hmac, header: S, timestampHeader: T, tolerance: 1m, signed: "{timestamp}.{body}", secrets: [a]}`:    "/verify",
	} {
		s, err := ParseSource([]byte("name: a\nverify: " + verify + "\nstart: {workflow: w}"))
		if err != nil {
			t.Errorf("%s: %v", verify, err)
			continue
		}
		var got []string
		for _, w := range s.Warnings() {
			got = append(got, w.Pointer)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", verify, s.Warnings(), want)
		}
	}
}

// An event is not forgotten while its timestamp still counts.
func TestEventsAreKnownWhileTheirTimeCounts(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]struct {
		known time.Duration
		said  bool
	}{
		"verify: {secrets: [a]}\ndedupe: {ttl: 1s}":                              {11 * time.Minute, true},
		"verify: {secrets: [a]}\ndedupe: {key: '{{ event.body.id }}', ttl: 10s}": {11 * time.Minute, true},
		"verify: {secrets: [a], tolerance: 1d}\ndedupe: {ttl: 1d}":               {48*time.Hour + time.Minute, true},
		"verify: {secrets: [a], tolerance: 1m}\ndedupe: {ttl: 2m}":               {3 * time.Minute, true},
		"verify: {secrets: [a], tolerance: 1m}\ndedupe: {ttl: 3m}":               {3 * time.Minute, false},
		"verify: {secrets: [a], tolerance: 1d}":                                  {DefaultDedupe, false},
		"verify: {scheme: hmac, header: S, secrets: [a]}\ndedupe: {ttl: 1s}":     {time.Second, false},
	} {
		s, err := ParseSource([]byte("name: a\nstart: {workflow: w}\n" + doc))
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		said := slices.ContainsFunc(s.Warnings(), func(f Fault) bool { return f.Pointer == "/dedupe/ttl" })
		if s.DedupeTTL != want.known || said != want.said {
			t.Errorf("%s: known for %s, warned: %t, want %+v", doc, s.DedupeTTL, said, want)
		}
	}
}

func TestSourceFaults(t *testing.T) {
	t.Parallel()
	source := func(verify, rest string) string { return "name: a\nverify: " + verify + "\n" + rest }
	const ok, start = "{secrets: [a]}", "start: {workflow: w}"
	for name, c := range map[string]struct{ doc, want string }{
		"empty":           {"{}", `the field "name" is missing`},
		"name":            {"name: A\nverify: {secrets: [a]}\n" + start, "/name: must be"},
		"no verify":       {"name: a\n" + start, `the field "verify" is missing`},
		"no start":        {"name: a\nverify: " + ok, `the field "start" is missing`},
		"no secrets":      {source("{}", start), `/verify: the field "secrets" is missing`},
		"empty secrets":   {source("{secrets: []}", start), "/verify/secrets: must be a list"},
		"the secret":      {source("{secrets: [whsec_TopSecret]}", start), "/verify/secrets/0: must be the name of a secret"},
		"a number":        {source("{secrets: [1]}", start), "/verify/secrets/0: must be a string"},
		"twice":           {source("{secrets: [a, a]}", start), "/verify/secrets/1: is there twice"},
		"too many":        {source("{secrets: [a, b, c, d, e, f, g, h, i]}", start), "/verify/secrets: must be a list of 1 to 8"},
		"later scheme":    {source("{scheme: github, secrets: [a]}", start), `/verify/scheme: "github" is not supported by this version`},
		"later field":     {source(ok, start+"\ndeliver: {}"), "/deliver: the field \"deliver\" is not supported by this version"},
		"unknown field":   {source(ok, start+"\nfoo: 1"), `/foo: there is no field "foo"`},
		"verify field":    {source("{secrets: [a], foo: 1}", start), `/verify/foo: there is no field "foo"`},
		"tolerance":       {source("{secrets: [a], tolerance: 2d}", start), "/verify/tolerance: must be at most 1d"},
		"tolerance alone": {source("{scheme: hmac, header: S, secrets: [a], tolerance: 1m}", start), "/verify/tolerance: has no meaning"},
		"hmac":            {source("{scheme: hmac, header: S, signed: x, secrets: [a]}", start), "/verify/signed: must hold {body}"},
		"host":            {source("{scheme: hmac, header: Host, secrets: [a]}", start), "/verify/header: must be a header that arrives as its sender sets it, such as X-Signature"},
		"length as id":    {source("{scheme: hmac, header: S, idHeader: content-length, secrets: [a]}", start), "/verify/idHeader: must be a header that arrives"},
		"coding as time":  {source("{scheme: hmac, header: S, timestampHeader: Transfer-Encoding, signed: \"{timestamp}.{body}\", secrets: [a]}", start), "/verify/timestampHeader: must be a header that arrives"},
		"connection":      {source("{scheme: hmac, header: CONNECTION, secrets: [a]}", start), "/verify/header: must be a header that arrives"},
		"fixed key":       {source(ok, start+"\ndedupe: {key: x}"), "/dedupe/key: must hold an expression"},
		"key reads input": {source(ok, start+"\ndedupe: {key: \"{{ input.id }}\"}"), "/dedupe/key: does not compile"},
		"ttl":             {source(ok, start+"\ndedupe: {ttl: 31d}"), "/dedupe/ttl: must be at most 30d"},
		"start field":     {source(ok, "start: {workflow: w, tags: {}}"), `/start/tags: there is no field "tags"`},
		"start nothing":   {source(ok, "start: {}"), `/start: the field "workflow" is missing`},
		"workflow":        {source(ok, "start: {workflow: W}"), "/start/workflow: must be the name of a workflow"},
		"version":         {source(ok, "start: {workflow: w, version: 0}"), "/start/version: must be a whole number"},
		"input":           {source(ok, "start: {workflow: w, input: {a: \"{{ steps.x.output }}\"}}"), "/start/input/a: there is no step"},
		"no object":       {"[]", "must be an object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseSource([]byte(c.doc))
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want faults", err)
			}
			all := ""
			for _, f := range faults {
				all += f.Pointer + ": " + f.Detail + "\n"
			}
			if !strings.Contains(all, c.want) || strings.Contains(all, "TopSecret") {
				t.Errorf("got\n%swant %q", all, c.want)
			}
		})
	}
}

func FuzzParseSource(f *testing.F) {
	f.Add([]byte(fullSource))
	f.Add([]byte(`{"name":"a","verify":{"scheme":"hmac","header":"S","secrets":["a"]},"start":{"workflow":"w"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSource(data)
		if err != nil {
			return
		}
		again, err := ParseSource(s.Source())
		if err != nil || !bytes.Equal(again.Source(), s.Source()) {
			t.Fatalf("%q became %q: %v", data, s.Source(), err)
		}
	})
}
