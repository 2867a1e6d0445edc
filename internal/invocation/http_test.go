package invocation

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/seed-926d1ba8/stepline/internal/telemetry"
)

// invoked is a context as Lambda makes it.
func invoked(t *testing.T, id string) context.Context {
	t.Helper()
	return lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: id})
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// event is an HTTP API event with the fields that matter.
func event(method, path string, edit func(*events.APIGatewayV2HTTPRequest)) []byte {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: path, Headers: map[string]string{"host": "abc.execute-api.eu-central-1.amazonaws.com"}}
	e.RequestContext.HTTP.Method = method
	e.RequestContext.HTTP.SourceIP = "192.0.2.7"
	e.RequestContext.Stage = "$default"
	if edit != nil {
		edit(&e)
	}
	b, _ := json.Marshal(e)
	return b
}

// call serves one event and returns what the handler saw and what was answered.
func call(t *testing.T, payload []byte, h http.HandlerFunc) (got *http.Request, body []byte, out answer) {
	t.Helper()
	a := HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		if h != nil {
			h(w, r)
		}
	}), quiet())
	raw, err := a.Invoke(invoked(t, "req-1"), payload)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return got, body, out
}

func TestRequestIsWhatWasSent(t *testing.T) {
	t.Parallel()
	r, body, _ := call(t, event("POST", "/v1/executions", func(e *events.APIGatewayV2HTTPRequest) {
		e.RawQueryString = "tag.a=1&tag.a=2&q=a%20b&empty="
		e.Headers["X-Custom"] = "one,two"
		e.Headers["content-type"] = "application/json"
		e.Cookies = []string{"a=1", "b=2; c"}
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte{0, 0xff, '{'}), true
	}), nil)
	if q := r.URL.Query(); len(q["tag.a"]) != 2 || q["tag.a"][1] != "2" || q.Get("q") != "a b" || !q.Has("empty") {
		t.Errorf("query %v", q)
	}
	if r.Header.Get("X-Custom") != "one,two" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cookie") != "a=1; b=2; c" {
		t.Errorf("header %v", r.Header)
	}
	if !bytes.Equal(body, []byte{0, 0xff, '{'}) || r.ContentLength != 3 {
		t.Errorf("body %x of %d bytes", body, r.ContentLength)
	}
	if r.Host != "abc.execute-api.eu-central-1.amazonaws.com" || r.RemoteAddr != "192.0.2.7:0" || r.Header.Get("Host") != "" {
		t.Errorf("host %q from %q, header %v", r.Host, r.RemoteAddr, r.Header)
	}
	if r.Header.Get("X-Request-Id") != "req-1" {
		t.Errorf("request id %q, want the invocation's", r.Header.Get("X-Request-Id"))
	}
	if want := "/v1/executions?tag.a=1&tag.a=2&q=a%20b&empty="; r.RequestURI != want {
		t.Errorf("request URI %q, want %q", r.RequestURI, want)
	}
}

func TestCallersRequestIDIsKept(t *testing.T) {
	t.Parallel()
	r, _, _ := call(t, event("GET", "/", func(e *events.APIGatewayV2HTTPRequest) { e.Headers["x-request-id"] = "mine" }), nil)
	if r.Header.Get("X-Request-Id") != "mine" {
		t.Errorf("request id %q", r.Header.Get("X-Request-Id"))
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ route, stage, raw, plain, escaped string }{
		"plain":                       {"GET /v1/workflows", "$default", "/v1/workflows", "/v1/workflows", "/v1/workflows"},
		"stage in front":              {"GET /v1/workflows/{name}", "prod", "/prod/v1/workflows/a", "/v1/workflows/a", "/v1/workflows/a"},
		"stage named like the path":   {"GET /v1/workflows", "v1", "/v1/workflows", "/v1/workflows", "/v1/workflows"},
		"that stage in front":         {"GET /v1/workflows", "v1", "/v1/v1/workflows", "/v1/workflows", "/v1/workflows"},
		"base path of a domain":       {"GET /v1/executions/{id}", "$default", "/flows/api/v1/executions/ex_1", "/v1/executions/ex_1", "/v1/executions/ex_1"},
		"stage, no route":             {"$default", "prod", "/prod/-/callbacks/t", "/-/callbacks/t", "/-/callbacks/t"},
		"stage alone":                 {"$default", "prod", "/prod", "/", "/"},
		"longer than the stage":       {"$default", "prod", "/production/x", "/production/x", "/production/x"},
		"greedy":                      {"ANY /{proxy+}", "prod", "/prod/a/b", "/a/b", "/a/b"},
		"function URL":                {"$default", "$default", "/a%2Fb/c%20d", "/a/b/c d", "/a%2Fb/c%20d"},
		"decoded blank":               {"GET /v1/workflows/{name}", "$default", "/v1/workflows/a b", "/v1/workflows/a b", "/v1/workflows/a%20b"},
		"decoded umlaut":              {"GET /v1/workflows/{name}", "$default", "/v1/workflows/ä", "/v1/workflows/ä", "/v1/workflows/%C3%A4"},
		"decoded question mark":       {"GET /v1/workflows/{name}", "$default", "/v1/workflows/a?b#c", "/v1/workflows/a?b#c", "/v1/workflows/a%3Fb%23c"},
		"decoded percent":             {"GET /v1/workflows/{name}", "$default", "/v1/workflows/5%", "/v1/workflows/5%", "/v1/workflows/5%25"},
		"decoded slash in a name":     {"GET /v1/workflows/{name}", "$default", "/v1/workflows/a/b", "/v1/workflows/a/b", "/v1/workflows/a/b"},
		"two slashes":                 {"$default", "$default", "//x", "//x", "//x"},
		"slash at the end":            {"$default", "$default", "/orders/", "/orders/", "/orders/"},
		"route without its last part": {"GET /v1/workflows/{name}", "$default", "/v1/workflows/", "/v1/workflows/", "/v1/workflows/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _, _ := call(t, event("GET", c.raw, func(e *events.APIGatewayV2HTTPRequest) {
				e.RouteKey, e.RequestContext.Stage = c.route, c.stage
			}), nil)
			if r.URL.Path != c.plain || r.URL.EscapedPath() != c.escaped {
				t.Errorf("got %q, escaped %q; want %q, %q", r.URL.Path, r.URL.EscapedPath(), c.plain, c.escaped)
			}
		})
	}
}

func TestAnswerIsWhatWasWritten(t *testing.T) {
	t.Parallel()
	_, _, out := call(t, event("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Add("Link", "<a>")
		w.Header().Add("Link", "<b>")
		w.Header().Set("Content-Length", "7")
		http.SetCookie(w, &http.Cookie{Name: "s", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "t", Value: "2"})
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, `{"ä":1}`)
	})
	if out.StatusCode != http.StatusCreated || out.Body != `{"ä":1}` || out.IsBase64Encoded {
		t.Errorf("got %+v", out)
	}
	if out.Headers["link"] != "<a>, <b>" || len(out.Headers) != 2 {
		t.Errorf("headers %v", out.Headers)
	}
	if len(out.Cookies) != 2 || out.Cookies[1] != "t=2" {
		t.Errorf("cookies %v", out.Cookies)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, kind, coding string
		body                 string
		status               int
		encoded, empty       bool
	}{
		"problem":            {kind: "application/problem+json", body: "{}"},
		"yaml":               {kind: "application/yaml", body: "a: 1"},
		"html":               {kind: "text/html; charset=utf-8", body: "<p>"},
		"binary":             {kind: "application/octet-stream", body: "abc", encoded: true},
		"text that is none":  {kind: "text/plain", body: "\xff\xfe", encoded: true},
		"compressed already": {kind: "text/plain", coding: "br", body: "abc", encoded: true},
		"unnamed text":       {body: "hello"},
		"unnamed binary":     {body: "\x00\x01", encoded: true},
		"HEAD":               {method: "HEAD", kind: "text/plain", body: "hello", empty: true},
		"not modified":       {kind: "text/plain", status: http.StatusNotModified, body: "x", empty: true},
		"nothing":            {empty: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.method == "" {
				c.method = "GET"
			}
			_, _, out := call(t, event(c.method, "/", nil), func(w http.ResponseWriter, _ *http.Request) {
				for name, v := range map[string]string{"Content-Type": c.kind, "Content-Encoding": c.coding} {
					if v != "" {
						w.Header().Set(name, v)
					}
				}
				if c.status != 0 {
					w.WriteHeader(c.status)
				}
				_, _ = io.WriteString(w, c.body)
			})
			want := c.body
			if c.encoded {
				want = base64.StdEncoding.EncodeToString([]byte(c.body))
			}
			if c.empty {
				want = ""
			}
			if out.Body != want || out.IsBase64Encoded != c.encoded {
				t.Errorf("got %+v, want body %q", out, want)
			}
		})
	}
}

func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("large ", 1<<20+1)
	write := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("X-Request-Id", "r")
		w.Header().Set("Location", "/v1/executions/ex_1")
		_, _ = io.WriteString(w, large)
	}
	_, _, out := call(t, event("GET", "/", nil), write)
	if out.Headers["location"] != "/v1/executions/ex_1" {
		t.Errorf("nothing says where what was started is: %v", out.Headers)
	}
	if out.StatusCode != http.StatusInternalServerError || !strings.Contains(out.Body, "Accept-Encoding: gzip makes it smaller") || out.Headers["x-request-id"] != "r" {
		t.Errorf("got %d %.200s", out.StatusCode, out.Body)
	}
	_, _, out = call(t, event("GET", "/", func(e *events.APIGatewayV2HTTPRequest) { e.Headers["accept-encoding"] = "br, gzip;q=0.8" }), write)
	raw, err := base64.StdEncoding.DecodeString(out.Body)
	if err != nil || out.StatusCode != http.StatusOK || out.Headers["content-encoding"] != "gzip" {
		t.Fatalf("got %d %v: %v", out.StatusCode, out.Headers, err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || string(plain) != large {
		t.Errorf("%d bytes came back: %v", len(plain), err)
	}
	for field, want := range map[string]bool{"": false, "gzip;q=0": false, "identity": false, "*": true, "deflate,gzip": true} {
		if got := acceptsGzip(http.Header{"Accept-Encoding": {field}}); got != want {
			t.Errorf("Accept-Encoding %q: %v", field, got)
		}
	}
}

// What an answer grows by on its way into Lambda's JSON is no reason to refuse
// it. The bytes are those that the library gives to Lambda.
func TestLargeAnswersAreEscapedNoMoreThanNeeded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unit   string
		size   int // of the body
		base64 bool
		status int
	}{
		"markup":                        {"<p>a&amp;b</p>", 3 << 20, false, http.StatusOK},
		"nothing but <":                 {"<", 2 << 20, false, http.StatusOK},
		"JSON":                          {`"a":1,`, 4 << 20, false, http.StatusOK},
		"JSON that is larger as a text": {`"a":"",`, 4 << 20, true, http.StatusOK},
		"controls":                      {"\x01", 3 << 19, true, http.StatusOK},
		"too large either way":          {`"`, 5 << 20, true, http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := strings.Repeat(c.unit, c.size/len(c.unit))
			a := lambda.NewHandler(HTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				_, _ = io.WriteString(w, body)
			}), quiet()))
			raw, err := a.Invoke(invoked(t, "r"), event("GET", "/", nil))
			var out answer
			if err != nil || len(raw) > maxAnswer || json.Unmarshal(raw, &out) != nil {
				t.Fatalf("%d bytes for %d: %v", len(raw), len(body), err)
			}
			if out.StatusCode != c.status {
				t.Fatalf("got %d %.200s, want %d", out.StatusCode, out.Body, c.status)
			}
			if c.status != http.StatusOK {
				return
			}
			got := out.Body
			if out.IsBase64Encoded {
				b, err := base64.StdEncoding.DecodeString(got)
				if err != nil {
					t.Fatal(err)
				}
				got = string(b)
			}
			if got != body || out.IsBase64Encoded != c.base64 || out.Headers["content-type"] != "text/plain; charset=utf-8" {
				t.Errorf("got %d bytes of %d, base64: %t, %v", len(got), len(body), out.IsBase64Encoded, out.Headers)
			}
		})
	}
}

// Who takes gzip already is not told to.
func TestAnswersThatAreTooLargeCompressed(t *testing.T) {
	t.Parallel()
	_, _, out := call(t, event("GET", "/", func(e *events.APIGatewayV2HTTPRequest) { e.Headers["accept-encoding"] = "gzip" }), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		_, _ = w.Write(make([]byte, 5<<20))
	})
	if out.StatusCode != http.StatusInternalServerError || !strings.Contains(out.Body, "larger than the 6 MB") || strings.Contains(out.Body, "gzip") {
		t.Errorf("got %d %.200s", out.StatusCode, out.Body)
	}
}

func TestEventsThatAreNoAPIEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ payload, want string }{
		"payload 1.0":  {`{"version":"1.0","httpMethod":"GET","path":"/v1/health"}`, "payload format 1.0"},
		"REST API":     {`{"httpMethod":"GET","path":"/v1/health","requestContext":{}}`, "payload format 1.0"},
		"SQS":          {`{"Records":[{"eventSource":"aws:sqs"}]}`, "a batch of records"},
		"schedule":     {`{"source":"aws.events","detail-type":"Scheduled Event"}`, "an EventBridge event"},
		"empty":        {`{}`, "no event that it knows"},
		"list":         {`[]`, "not a JSON object"},
		"not JSON":     {`hello`, "not a JSON object"},
		"nothing":      {``, "not a JSON object"},
		"no method":    {`{"version":"2.0","rawPath":"/"}`, "no event that it knows"},
		"number":       {`{"version":2,"rawPath":"/"}`, "no event that it knows"},
		"no path":      {`{"version":"2.0","requestContext":{"http":{"method":"GET"}}}`, "does not begin with /"},
		"broken body":  {`{"version":"2.0","rawPath":"/","body":"%%%","isBase64Encoded":true,"requestContext":{"http":{"method":"POST"}}}`, "base64"},
		"wrong fields": {`{"version":"2.0","rawPath":7}`, "no event that it knows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			a := HTTP(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }),
				Logger(telemetry.NewLogger(&log, slog.LevelInfo)))
			raw, err := a.Invoke(invoked(t, "req-9"), []byte(c.payload))
			if err != nil {
				t.Fatal(err)
			}
			var out answer
			if err := json.Unmarshal(raw, &out); err != nil {
				t.Fatal(err)
			}
			if out.StatusCode != http.StatusBadRequest || !strings.Contains(out.Body, c.want) || out.Headers["x-request-id"] != "req-9" ||
				out.Headers["content-type"] != "application/problem+json" {
				t.Errorf("got %+v, want %q", out, c.want)
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), `"requestId":"req-9"`) || !strings.Contains(log.String(), c.want) {
				t.Errorf("want one line with the request id, got %s", log.String())
			}
		})
	}
}

func TestHandlersEndBeforeTheInvocation(t *testing.T) {
	t.Parallel()
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(invoked(t, "r"), deadline)
	defer cancel()
	seen := time.Time{}
	a := HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen, _ = r.Context().Deadline() }), quiet())
	if _, err := a.Invoke(ctx, event("GET", "/", nil)); err != nil {
		t.Fatal(err)
	}
	if want := deadline.Add(-Margin); !seen.Equal(want) {
		t.Errorf("the handler's context ends at %v, want %v", seen, want)
	}
}

func FuzzHTTP(f *testing.F) {
	f.Add(event("POST", "/prod/v1/executions", func(e *events.APIGatewayV2HTTPRequest) {
		e.RouteKey, e.RequestContext.Stage, e.Body, e.IsBase64Encoded = "POST /v1/executions", "prod", "e30=", true
		e.Cookies = []string{"a"}
	}))
	f.Add([]byte(`{"version":"2.0","rawPath":"/%2","requestContext":{"http":{"method":"\n"}}}`))
	f.Add([]byte(`{"version":"1.0"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		a := HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/") || strings.ContainsAny(r.URL.EscapedPath(), " ?#\n") {
				t.Errorf("path %q, escaped %q", r.URL.Path, r.URL.EscapedPath())
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || int64(len(body)) != r.ContentLength {
				t.Errorf("%d bytes of %d: %v", len(body), r.ContentLength, err)
			}
			_, _ = w.Write(body)
		}), quiet())
		raw, err := a.Invoke(t.Context(), payload)
		var out answer
		if err != nil || json.Unmarshal(raw, &out) != nil || out.StatusCode != http.StatusOK && out.StatusCode != http.StatusBadRequest {
			t.Fatalf("%s: %v", raw, err)
		}
	})
}
