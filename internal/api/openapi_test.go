package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/seed-926d1ba8/stepline/internal/api"
)

// The document and the route table name the same calls.
func TestOpenAPIIsTheRouteTable(t *testing.T) {
	t.Parallel()
	var routes, told []string
	ids := map[string]bool{}
	for _, r := range api.Routes() {
		routes = append(routes, r.Method+" "+r.Pattern+" "+r.Function+" "+string(r.Role)+fmt.Sprint(r.Audited))
	}
	for path, item := range published().root["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			o := op.(map[string]any)
			told = append(told, fmt.Sprintf("%s %s %s %s%v", strings.ToUpper(method), path,
				o["x-stepline-function"], o["x-stepline-role"], o["x-stepline-audited"]))
			if id := o["operationId"].(string); ids[id] {
				t.Errorf("operationId %s is there twice", id)
			} else {
				ids[id] = true
			}
			checkParameters(t, path, o)
		}
	}
	slices.Sort(routes)
	slices.Sort(told)
	if !slices.Equal(routes, told) {
		t.Errorf("routes\n%s\npublished\n%s", strings.Join(routes, "\n"), strings.Join(told, "\n"))
	}
}

// checkParameters: each {name} of the path, and only these, is a path parameter.
func checkParameters(t *testing.T, path string, op map[string]any) {
	t.Helper()
	found := ""
	for _, p := range asList(op["parameters"]) {
		if p := p.(map[string]any); p["in"] == "path" {
			found += "{" + p["name"].(string) + "}"
		}
	}
	want := ""
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "{") {
			want += part
		}
	}
	if found != want {
		t.Errorf("%s has the path parameters %s", path, found)
	}
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

// Every schema in the document compiles, so every reference leads somewhere.
func TestOpenAPISchemasCompile(t *testing.T) {
	t.Parallel()
	d := published()
	for name := range d.root["components"].(map[string]any)["schemas"].(map[string]any) {
		if _, err := d.schema("components", "schemas", name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for path, item := range d.root["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			request, ok := op.(map[string]any)["requestBody"].(map[string]any)
			if !ok {
				continue
			}
			for mediaType := range request["content"].(map[string]any) {
				if _, err := d.schema("paths", path, method, "requestBody", "content", mediaType, "schema"); err != nil {
					t.Errorf("%s %s: %v", method, path, err)
				}
			}
		}
	}
}

// The parsers take exactly the fields that the published schemas have.
func TestRequestSchemasAreWhatTheParsersTake(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for _, r := range []struct{ method, pattern string }{
		{"POST", "/v1/executions"}, {"POST", "/v1/executions/{id}/pause"}, {"POST", "/v1/executions/{id}/resume"},
		{"POST", "/v1/executions/{id}/retry"}, {"PUT", "/v1/workflows/{name}/live"},
	} {
		s, err := published().schema("paths", r.pattern, strings.ToLower(r.method), "requestBody", "content", "application/json", "schema")
		if err != nil {
			t.Fatal(err)
		}
		var fields []string
		for name := range s.Properties {
			fields = append(fields, name)
		}
		slices.Sort(fields)
		target := strings.NewReplacer("{id}", someID, "{name}", "orders").Replace(r.pattern)
		p := decode[api.Problem](t, b.want(422, r.method, target, `{"zzz":1}`))
		_, known, some := strings.Cut(p.Errors[0].Detail, "known are ")
		if !some && !strings.HasSuffix(p.Errors[0].Detail, "this call takes none") {
			t.Errorf("%s %s: %q does not say what is known", r.method, r.pattern, p.Errors[0].Detail)
		}
		taken := strings.Split(known, ", ")
		slices.Sort(taken)
		if !slices.Equal(slices.DeleteFunc(taken, func(s string) bool { return s == "" }), fields) {
			t.Errorf("%s %s takes %v, published is %v", r.method, r.pattern, taken, fields)
		}
	}
}

// A start that the published schema refuses is refused, and the other way
// round, for whatever the schema can say.
func TestStartAgreesWithItsSchema(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	s, err := published().schema("paths", "/v1/executions", "post", "requestBody", "content", "application/json", "schema")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`{}`, `{"workflow":"a"}`, `{"workflow":""}`, `{"workflow":1}`, `{"workflow":"a","version":1}`, `{"workflow":"a","version":0}`, `{"workflow":"a","version":2.0}`, `{"workflow":"a","version":2e0}`, `{"workflow":"a","version":-2.0}`, `{"workflow":"a","version":2.5}`,
		`{"workflow":"a","version":"1"}`, `{"workflow":"a","input":null}`, `{"workflow":"a","input":[{}]}`, `{"workflow":"a","priority":"low"}`,
		`{"workflow":"a","priority":"solo"}`, `{"workflow":"a","tags":{}}`, `{"workflow":"a","tags":{"a":"b"}}`, `{"workflow":"a","tags":{"a":null}}`,
		`{"workflow":"a","tags":[]}`, `{"workflow":"a","delay":"1s"}`, `{"workflow":"a","delay":1}`, `{"workflow":"a","timeout":"1s"}`, `{"workflow":"a","more":1}`,
		`{"workflow":"a","stepFunctions":{"taskToken":"t"}}`, `{"workflow":"a","stepFunctions":{"taskToken":"t","heartbeat":"3m"}}`, `{"workflow":"a","stepFunctions":{}}`,
		`{"workflow":"a","stepFunctions":{"taskToken":""}}`, `{"workflow":"a","stepFunctions":{"taskToken":7}}`, `{"workflow":"a","stepFunctions":{"taskToken":"t","heartbeat":9}}`,
		`{"workflow":"a","stepFunctions":null}`, `{"workflow":"a","stepFunctions":"t"}`, `{"workflow":"a","stepFunctions":{"taskToken":"t","more":1}}`,
		`{"workflow":"a","stepFunctions":{"taskToken":"` + strings.Repeat("ü", 2048) + `"}}`, `{"workflow":"a","stepFunctions":{"taskToken":"` + strings.Repeat("t", 2049) + `"}}`,
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		want := 202
		if s.Validate(v) != nil {
			want = 422
		}
		b.want(want, "POST", "/v1/executions", body)
	}
}

func TestPublicDocuments(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for _, path := range []string{"/v1/openapi.json", "/v1/schemas/workflow.json"} {
		out := b.want(200, "GET", path, "")
		if !json.Valid([]byte(out.body)) {
			t.Errorf("%s is not JSON", path)
		}
		b.want(304, "GET", path, "", "If-None-Match", out.header.Get("ETag"))
	}
	if out := b.want(200, "GET", "/v1/health", ""); out.body != "{\"status\":\"ok\"}\n" {
		t.Errorf("health = %s", out.body)
	}
}

// Health is not ok while nothing can be written, and tells the world no more.
func TestHealthWhileTheStoreTakesNoWrites(t *testing.T) {
	t.Parallel()
	var trouble error
	a, err := api.New(api.Config{Now: func() time.Time { return noon }, Trouble: func() error { return trouble }})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		trouble error
		status  int
		says    string
	}{
		{nil, 200, `"ok"`}, {errors.New("/var/lib is gone"), 503, "The store takes no writes; the log says why."}, {nil, 200, `"ok"`},
	} {
		trouble = c.trouble
		r, w := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/health", nil), httptest.NewRecorder()
		a.Handler(api.Status).ServeHTTP(w, r)
		out := reply{w.Code, w.Header(), w.Body.String()}
		checkAnswer(t, r, out)
		if out.status != c.status || !strings.Contains(out.body, c.says) || strings.Contains(out.body, "/var/lib") {
			t.Errorf("with the trouble %v: %d %s, want %d with %s and no path", c.trouble, out.status, out.body, c.status, c.says)
		}
	}
}
