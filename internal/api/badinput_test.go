package api_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// bad is a request that is refused before anything is done.
type bad struct {
	name, method, target, body string
	headers                    []string
	status                     int
}

const start = "/v1/executions"

var one = start + "/" + someID

func badInputs() []bad {
	long := strings.Repeat("x", 300)
	return []bad{
		{"not json", "POST", start, "{\n  \"workflow\": \"ürders\",}", nil, 400},
		{"cut off", "POST", start, "{\n\"workflow\": ", nil, 400},
		{"two values", "POST", start, `{"workflow":"a"} {}`, nil, 400},
		{"not utf-8", "POST", start, "{\"workflow\":\"\xff\"}", nil, 400},
		{"nested too deep", "POST", start, `{"workflow":"a","input":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`, nil, 400},
		{"no body", "POST", start, "", nil, 422},
		{"not an object", "POST", start, `[1]`, nil, 422},
		{"everything wrong", "POST", start, `{"version":"1","priority":"urgent","tags":{"a":1},"delay":"soon","timeout":0,"x/y":1,"~":2}`, nil, 422},
		{"empty texts", "POST", start, `{"workflow":"","priority":"","delay":""}`, nil, 422},
		{"nulls", "POST", start, `{"workflow":null,"version":null,"tags":null}`, nil, 422},
		{"given twice", "POST", start, `{"workflow":"a","workflow":"b"}`, nil, 422},
		{"version 0", "POST", start, `{"workflow":"a","version":0}`, nil, 422},
		{"version 1.5", "POST", start, `{"workflow":"a","version":1.5}`, nil, 422},
		{"delay too long", "POST", start, `{"workflow":"a","delay":"8761h"}`, nil, 422},
		{"delay negative", "POST", start, `{"workflow":"a","delay":"-1s"}`, nil, 422},
		{"timeout zero", "POST", start, `{"workflow":"a","timeout":"0s"}`, nil, 422},
		{"tags too large", "POST", start, `{"workflow":"a","tags":{"a":"` + long + `"}}`, nil, 422},
		{"tag without a name", "POST", start, `{"workflow":"a","tags":{"":"x"}}`, nil, 422},
		{"input too large", "POST", start, `{"workflow":"a","input":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413},
		{"body too large", "POST", start, strings.Repeat(" ", 2<<20), nil, 413},
		{"content type", "POST", start, `{"workflow":"a"}`, []string{"Content-Type", "application/xml"}, 415},
		{"charset", "POST", start, `{"workflow":"a"}`, []string{"Content-Type", "application/json; charset=latin1"}, 415},
		{"compressed", "POST", start, "\x1f\x8b", []string{"Content-Encoding", "gzip"}, 415},
		{"task without a token", "POST", start, `{"workflow":"a","stepFunctions":{"heartbeat":"1m","token":"t"}}`, nil, 422},
		{"task empty", "POST", start, `{"workflow":"a","stepFunctions":{"taskToken":"","heartbeat":"often"}}`, nil, 422},
		{"task no object", "POST", start, `{"workflow":"a","stepFunctions":"t"}`, nil, 422},
		{"task token too long", "POST", start, `{"workflow":"a","stepFunctions":{"taskToken":"` + strings.Repeat("t", 2049) + `"}}`, nil, 422},
		{"bad key", "POST", start, `{"workflow":"a"}`, []string{"Idempotency-Key", "a b"}, 400},
		{"query on a start", "POST", start + "?wait=5", `{"workflow":"a"}`, nil, 400},

		{"status", "GET", start + "?status=done", "", nil, 400},
		{"status empty", "GET", start + "?status=", "", nil, 400},
		{"workflow empty", "GET", start + "?workflow=", "", nil, 400},
		{"version", "GET", start + "?version=x", "", nil, 400},
		{"limit 0", "GET", start + "?limit=0", "", nil, 400},
		{"limit 101", "GET", start + "?limit=101", "", nil, 400},
		{"from", "GET", start + "?from=yesterday", "", nil, 400},
		{"to", "GET", start + "?to=2026-03-01", "", nil, 400},
		{"from after to", "GET", start + "?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "", nil, 400},
		{"cursor empty", "GET", start + "?cursor=", "", nil, 400},
		{"given twice in the query", "GET", start + "?limit=1&limit=2", "", nil, 400},
		{"unknown parameter", "GET", start + "?sort=asc", "", nil, 400},
		{"tag", "GET", start + "?tag.team=north", "", nil, 400},
		{"category", "GET", start + "?category=timeout", "", nil, 400},
		{"q", "GET", start + "?q=x", "", nil, 400},
		{"priority", "GET", start + "?priority=high", "", nil, 400},
		{"query not readable", "GET", start + "?a=%zz", "", nil, 400},
		{"parameter on get", "GET", one + "?x=1", "", nil, 400},

		{"id", "GET", start + "/nobody", "", nil, 404},
		{"id with a key in it", "GET", start + "/k%23abc", "", nil, 404},
		{"timeline id", "GET", start + "/ex_1/timeline", "", nil, 404},
		{"cancel id", "DELETE", start + "/ex_1", "", nil, 404},
		{"pause with fields", "POST", one + "/pause", `{"for":"1h"}`, nil, 422},
		{"resume step only", "POST", one + "/resume", `{"step":"crm"}`, nil, 422},
		{"resume as only", "POST", one + "/resume", `{"as":"failed"}`, nil, 422},
		{"resume as what", "POST", one + "/resume", `{"step":"crm","as":"done"}`, nil, 422},
		{"retry fields", "POST", one + "/retry", `{"from":"","version":"latest","step":"x"}`, nil, 422},
		{"retry not json", "POST", one + "/retry", `{`, nil, 400},
		{"retry input too large", "POST", one + "/retry", `{"input":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413},
		{"callback not json", "POST", "/-/callbacks/tok", `nope`, nil, 400},
		{"callback too large", "POST", "/-/callbacks/tok", strings.Repeat(" ", 6<<20), nil, 413},
		{"callback type", "POST", "/-/callbacks/tok", `<a/>`, []string{"Content-Type", "text/xml"}, 415},

		{"document not json", "PUT", "/v1/workflows/orders", "{\n\"name\" \"orders\"}", nil, 400},
		{"document type", "PUT", "/v1/workflows/orders", "<a/>", []string{"Content-Type", "text/xml"}, 415},
		{"document compressed", "PUT", "/v1/workflows/orders", "\x1f\x8b", []string{"Content-Encoding", "br"}, 415},
		{"document too large", "PUT", "/v1/workflows/orders", strings.Repeat(" ", 2<<20), nil, 413},
		{"document empty", "PUT", "/v1/workflows/orders", "", nil, 400},
		{"document of another name", "PUT", "/v1/workflows/orders", `{"name":"invoices","steps":[{"id":"a","type":"transform","output":1}]}`, nil, 422},
		{"validate another name", "POST", "/v1/workflows/orders/validate", `{"name":"invoices","steps":[{"id":"a","type":"transform","output":1}]}`, nil, 422},
		{"live without version", "PUT", "/v1/workflows/orders/live", `{}`, nil, 422},
		{"live of nobody", "PUT", "/v1/workflows/orders/live", `{"version":1}`, nil, 404},
		{"live wrong", "PUT", "/v1/workflows/orders/live", `{"version":"2","force":true}`, nil, 422},
		{"workflow unknown", "GET", "/v1/workflows/nobody", "", nil, 404},
		{"version unknown", "GET", "/v1/workflows/nobody/versions/1", "", nil, 404},
		{"version not a number", "GET", "/v1/workflows/nobody/versions/one", "", nil, 404},
		{"versions unknown", "GET", "/v1/workflows/nobody/versions", "", nil, 404},
		{"live unknown", "GET", "/v1/workflows/nobody/live", "", nil, 404},
		{"delete unknown", "DELETE", "/v1/workflows/nobody", "", nil, 404},
		{"workflows cursor", "GET", "/v1/workflows?cursor=x", "", nil, 400},
		{"workflows limit", "GET", "/v1/workflows?limit=1000", "", nil, 400},

		{"source not yaml", "PUT", "/v1/sources/shop", "name: [", nil, 400},
		{"source empty", "PUT", "/v1/sources/shop", "", nil, 400},
		{"source type", "PUT", "/v1/sources/shop", "<a/>", []string{"Content-Type", "text/xml"}, 415},
		{"source of another name", "PUT", "/v1/sources/shop", `{"name":"till","verify":{"secrets":["a"]},"start":{"workflow":"w"}}`, nil, 422},
		{"source with faults", "PUT", "/v1/sources/shop", `{"name":"shop","verify":{"secrets":["whsec_Secret"],"foo":1},"start":{"workflow":"w"},"deliver":{}}`, nil, 422},
		{"source unknown", "GET", "/v1/sources/nobody", "", nil, 404},
		{"source with a key in it", "GET", "/v1/sources/a%23b", "", nil, 404},
		{"source to delete unknown", "DELETE", "/v1/sources/nobody", "", nil, 404},
		{"sources cursor", "GET", "/v1/sources?cursor=x", "", nil, 400},
		{"sources limit", "GET", "/v1/sources?limit=0", "", nil, 400},
		{"method on sources", "POST", "/v1/sources", `{}`, nil, 405},
		{"event too large", "POST", "http://hooks.example.com/shop", strings.Repeat(" ", 6<<20+1), nil, 413},
		{"method on an event", "GET", "http://hooks.example.com/shop", "", nil, 405},
		{"reserved name", "POST", "http://hooks.example.com/-", `{}`, nil, 404},
		{"reserved name of a tenant", "POST", "http://hooks.example.com/-/shop", `{}`, nil, 404},
		{"the API on the webhook address", "POST", "http://hooks.example.com/v1/executions", `{}`, nil, 404},

		{"no such path", "GET", "/v1/nothing", "", nil, 404},
		{"no such path below", "GET", one + "/steps/1", "", nil, 404},
		{"trailing slash", "GET", start + "/", "", nil, 404},
		{"method on executions", "PUT", start, `{}`, nil, 405},
		{"method on health", "POST", "/v1/health", `{}`, nil, 405},
		{"method on callback", "GET", "/-/callbacks/tok", "", nil, 405},
	}
}

// Every refusal is a problem document that says what would be right, and
// nothing has been asked of the engine or written.
func TestBadInput(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.reads.x = ended("succeeded")
	var golden bytes.Buffer
	for _, c := range badInputs() {
		out := b.do(c.method, c.target, c.body, c.headers...)
		if out.status != c.status || out.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s, want %d", c.name, out.status, out.body, c.status)
		}
		fmt.Fprintf(&golden, "# %s: %s %s\n%s", c.name, c.method, strings.ReplaceAll(c.target, someID, "{id}"), out.body)
		if allow := out.header.Get("Allow"); allow != "" {
			fmt.Fprintf(&golden, "Allow: %s\n", allow)
		}
	}
	if len(b.engine.calls) != 0 || b.table.writes.Load() != 0 {
		t.Errorf("the engine was asked %v and %d writes were made, want none", b.engine.calls, b.table.writes.Load())
	}
	compareGolden(t, "problems.golden", golden.Bytes())
}

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%s, line %d\n got %s\nwant %s\n(go test -update writes it anew)", path, i+1, g[i], w[i])
		}
	}
	t.Fatalf("%s: %d lines, want %d (go test -update writes it anew)", path, len(g), len(w))
}

// A body that is too large is refused without being read.
func TestALargeBodyIsNotRead(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for _, announced := range []bool{true, false} {
		r := httptest.NewRequest("POST", start, nil)
		endless := &countingReader{}
		r.Body = endless
		r.ContentLength = -1
		if announced {
			r.ContentLength = 1 << 40
		}
		if out := b.serve(r); out.status != 413 {
			t.Errorf("announced %t: %d %s, want 413", announced, out.status, out.body)
		}
		if most := 2 << 20; endless.n > most || announced && endless.n > 0 {
			t.Errorf("announced %t: %d bytes were read", announced, endless.n)
		}
	}
}

type countingReader struct{ n int }

func (c *countingReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	c.n += len(p)
	return len(p), nil
}

func (*countingReader) Close() error { return nil }

func TestABodyThatIsCutOff(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	r := httptest.NewRequest("POST", start, strings.NewReader(`{"workflow":"a"}`))
	r.ContentLength = 100
	if out := b.serve(r); out.status != 400 || len(b.engine.calls) != 0 {
		t.Errorf("%d %s, want 400 and no start", out.status, out.body)
	}
}
