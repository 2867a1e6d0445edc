package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/problem"
)

// What is taken for a start is what encoding/json reads of the same bytes.
func FuzzStartBody(f *testing.F) {
	for _, s := range []string{
		`{"workflow":"a"}`, ` { "workflow" : "a" , "input" : [ 1 , { "b" : "}\\\"" } ] } `, `{"workflow":"a\u0041","tags":{"a":"b","c\n":"d"}}`,
		`{}`, `[]`, `null`, `"x"`, `{"workflow":"a","input":-1.5e3}`, `{"a":1,"a":2}`, `{"":{}}`, `{"workflow":"a","delay":"1h","version":7}`, "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || wellFormed(b) != nil {
			return
		}
		s, err := parseStart(b)
		if err != nil {
			if c := problem.CodeOf(err); c != problem.Invalid && c != problem.TooLarge {
				t.Fatalf("%q: %v, want it invalid", b, err)
			}
			return
		}
		var want struct {
			Workflow string
			Version  int
			Input    json.RawMessage
			Tags     map[string]string
		}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatalf("%q is taken, but %v", b, err)
		}
		if s.Workflow != want.Workflow || s.Version != want.Version || len(s.Tags) != len(want.Tags) || len(s.Tags) > 0 && !reflect.DeepEqual(s.Tags, want.Tags) {
			t.Fatalf("%q read as %+v, want %+v", b, s, want)
		}
		if !bytes.Equal(bytes.TrimSpace(s.Input), bytes.TrimSpace(want.Input)) {
			t.Fatalf("%q: input %q, want %q", b, s.Input, want.Input)
		}
	})
}

// Every well-formed object is split into the members that encoding/json sees.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[{}],"c":"\"","d":{"e":[]}}`, `{}`, "{\n}", `{"\\":null , "x":true}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.TrimSpace(b)
		if len(b) == 0 || b[0] != '{' || wellFormed(b) != nil {
			return
		}
		got := map[string]json.RawMessage{}
		for name, raw := range members(b) {
			got[name] = raw // the last one counts, as with encoding/json
		}
		want := map[string]json.RawMessage{}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%q split into %q, want %q", b, got, want)
		}
		for name, raw := range want {
			if !bytes.Equal(got[name], raw) {
				t.Fatalf("%q: %q is %q, want %q", b, name, got[name], raw)
			}
		}
	})
}

func FuzzHeaders(f *testing.F) {
	for _, s := range []string{`abc`, `"a\"b"`, `wait=10`, `respond-async, wait="5"`, `W/"x", "y"`, `*`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := http.Header{"Idempotency-Key": {s}, "Prefer": {s}, "If-None-Match": {s}}
		key, err := idempotencyKey(h)
		if err == nil && (key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' })) {
			t.Fatalf("key %q of %q", key, s)
		}
		if wait, ok := preferredWait(h); wait < 0 || wait > maxWait || !ok && wait != 0 {
			t.Fatalf("wait %v of %q", wait, s)
		}
		tagMatches(h, `"x"`)
	})
}

// Whatever the query is, the answer is a filter or a bad request.
func FuzzQuery(f *testing.F) {
	routes := Routes()
	list := &routes[1]
	for _, s := range []string{"workflow=a&limit=5", "status=running&from=2026-01-01T00:00:00Z", "a=%zz", "limit=1&limit=2", "tag.x=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/v1/executions", nil)
		r.URL.RawQuery = query
		err := checkQuery(list, r)
		if err == nil {
			_, err = filterOf(r.URL.Query())
		}
		if err != nil && problem.CodeOf(err) != problem.BadRequest {
			t.Fatalf("%q: %v, want a bad request", query, err)
		}
	})
}
