package step

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// answer serves one fixed answer.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		for i := 0; i < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// raw answers 200 with these headers and body, as they are, and closes.
func raw(rest string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, out, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = out.WriteString("HTTP/1.1 200 OK\r\n" + rest)
		_ = out.Flush()
		_ = conn.Close()
	}
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

func TestOutput(t *testing.T) {
	t.Parallel()
	const kind = "Content-Type"
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  string // "" for null
	}{
		"JSON byte for byte":   {answer(200, `{"b":1.50,"a":"<\u00e4>", "n":12345678901234567890}`, kind, "application/json"), `{"b":1.50,"a":"<\u00e4>", "n":12345678901234567890}`},
		"JSON with parameters": {answer(201, "[1]\n", kind, "Application/JSON; charset=utf-8"), `[1]`},
		"a JSON dialect":       {answer(200, `{}`, kind, "application/problem+json"), `{}`},
		"indented JSON":        {answer(200, "{\n  \"a\": [\n 1.0 ] }\n", kind, "application/json"), `{"a":[1.0]}`},
		"JSON after a mark":    {answer(200, "\ufeff{}", kind, "application/json"), `{}`},
		"JSON not UTF-8":       {answer(200, "\"\xff\"", kind, "application/json"), "\"\ufffd\""},
		"empty JSON":           {answer(200, " ", kind, "application/json"), ""},
		"text":                 {answer(200, "a \"<b>\"\n", kind, "text/plain"), `"a \"<b>\"\n"`},
		"text of no type":      {answer(200, "plain", kind, ""), `"plain"`},
		"empty text":           {answer(200, "", kind, "text/plain"), ""},
		"no content":           {answer(204, ""), ""},
		"binary":               {answer(200, "\xff\x00", kind, "image/png"), `{"base64":"/wA=","contentType":"image/png"}`},
		"gzip":                 {answer(200, zipped(`{"a":1}`), kind, "application/json", "Content-Encoding", "gzip"), `{"a":1}`},
		"no coding":            {answer(200, "a", kind, "text/plain", "Content-Encoding", "identity"), `"a"`},
		"a mistaken coding":    {answer(200, "a", kind, "text/plain", "Content-Encoding", "utf-8"), `"a"`},
		"x-gzip":               {answer(200, zipped("a"), kind, "text/plain", "Content-Encoding", "identity, X-GZIP"), `"a"`},
		"nothing in br":        {raw("Content-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), ""},
		"no JSON":              {answer(200, "", kind, "application/json"), ""},
		"no content in gzip":   {answer(204, "", "Content-Encoding", "gzip"), ""},
		"nothing in gzip":      {answer(200, "", kind, "application/json", "Content-Encoding", "gzip", "Content-Length", "0"), ""},
		"no chunk in gzip":     {raw("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), ""},
		"an end of gzip":       {raw("Content-Encoding: gzip\r\nConnection: close\r\n\r\n"), ""},
		"gzip of nothing":      {answer(200, zipped(""), kind, "application/json", "Content-Encoding", "gzip"), ""},
		"in chunks": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(kind, "application/json")
			for _, part := range []string{`{"a"`, `:1}`} {
				_, _ = w.Write([]byte(part))
				_ = http.NewResponseController(w).Flush()
			}
		}, `{"a":1}`},
		"two MiB": {answer(200, `"`+strings.Repeat("x", 2<<20)+`"`, kind, "application/json"), `"` + strings.Repeat("x", 2<<20) + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"url": serve(t, c.serve)})
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if string(got.Output) != c.want {
				t.Errorf("output %.200s, want %.200s", got.Output, c.want)
			}
		})
	}
}

func TestHeadHasNoOutput(t *testing.T) {
	t.Parallel()
	got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"method": "HEAD",
		"url": serve(t, answer(200, `{}`, "Content-Type", "application/json", "Content-Length", "2"))})
	if got.Err != nil || got.Output != nil || got.Response.Status != 200 {
		t.Errorf("got %+v, want an empty success", got)
	}
}

func TestUnusableAnswers(t *testing.T) {
	t.Parallel()
	endless := func(w http.ResponseWriter, _ *http.Request) {
		part := make([]byte, 1<<20)
		for range 32 {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}
	stopped := zipped(strings.Repeat("secret", 100))
	stopped = stopped[:len(stopped)-6]
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		code  string
	}{
		"announced too large":      {answer(200, "", "Content-Length", strconv.Itoa(MaxResponse+1)), "answer_too_large"},
		"too large":                {endless, "answer_too_large"},
		"a bomb":                   {answer(200, zipped(strings.Repeat(" ", MaxResponse+1)), "Content-Encoding", "gzip"), "answer_too_large"},
		"not JSON":                 {answer(200, "<html>secret", "Content-Type", "application/json"), "answer_not_json"},
		"not indented JSON":        {answer(200, "{\n", "Content-Type", "application/json"), "answer_not_json"},
		"too large a number":       {answer(200, `{"n":1e999,"id":7}`, "Content-Type", "application/json"), "answer_not_json"},
		"nested too deep":          {answer(200, strings.Repeat("[", 250)+"\n"+strings.Repeat("]", 250), "Content-Type", "application/json"), "answer_not_json"},
		"not gzip":                 {answer(200, "plain text, no magic", "Content-Encoding", "gzip"), "answer_not_gzip"},
		"deflate":                  {answer(200, "secret", "Content-Encoding", "deflate"), "answer_encoding"},
		"br":                       {answer(200, "secret", "Content-Encoding", " BR", "Content-Type", "application/json"), "answer_encoding"},
		"zstd":                     {raw("Content-Encoding: zstd\r\nConnection: close\r\n\r\nsecret"), "answer_encoding"},
		"gzip in gzip":             {answer(200, zipped(zipped("secret")), "Content-Encoding", "gzip, gzip"), "answer_encoding"},
		"gzip in br":               {answer(200, zipped("secret"), "Content-Encoding", "gzip", "Content-Encoding", "br"), "answer_encoding"},
		"JSON in UTF-16":           {answer(200, "\xff\xfe{\x00}\x00", "Content-Type", "application/json; charset=utf-16"), "answer_not_json"},
		"gzip that stops":          {answer(200, stopped, "Content-Encoding", "gzip"), "answer_not_gzip"},
		"gzip chunks that stop":    {raw(fmt.Sprintf("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(stopped), stopped)), "answer_not_gzip"},
		"a piece of a gzip header": {answer(200, stopped[:5], "Content-Encoding", "gzip"), "answer_not_gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"method": "POST", "url": serve(t, c.serve)})
			if got.Err == nil || got.Err.Category != retry.Validation || got.Err.Code != c.code || !got.Err.Unclear {
				t.Fatalf("outcome %+v, want the unclear validation error %s", got.Err, c.code)
			}
			if !strings.Contains(got.Err.Message, "may have happened") || strings.Contains(got.Err.Message, "secret") {
				t.Errorf("message %q must name the effect and show no payload", got.Err.Message)
			}
			if got.Response == nil || got.Response.Status != 200 || got.Output != nil {
				t.Errorf("response %+v, output %.20s", got.Response, got.Output)
			}
		})
	}
}

// A connection that breaks in the middle of gzip is no bad gzip, so the call is
// made again.
func TestGzipCutByTheConnection(t *testing.T) {
	t.Parallel()
	z := zipped("text")
	z = z[:len(z)-6]
	for name, rest := range map[string]string{
		"announced":            fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(z)+1, z),
		"announced, none came": "Content-Length: 5\r\n\r\n",
		"in chunks":            fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(z), z),
		"in chunks, none came": "Transfer-Encoding: chunked\r\n\r\n",
		"until the end":        "Connection: close\r\n\r\n" + z,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"method": "POST", "url": serve(t, raw("Content-Encoding: gzip\r\n"+rest))})
			if got.Err == nil || got.Err.Category != retry.Network || got.Err.Code != "closed" || !got.Err.Unclear {
				t.Errorf("outcome %+v, want the unclear network error closed", got.Err)
			}
		})
	}
}

// JSON that the steps after it could not read is refused, and the message says
// what is wrong with it.
func TestJSONBeyondABound(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"n":1e999,"id":7}`: "in JSON that cannot be read here, a number is too large;",
		strings.Repeat("[", 250) + strings.Repeat("]", 250): "in JSON that cannot be read here, values may nest 200 deep at most;",
		`{"secret"`: "that is not the JSON it claims to be;",
	} {
		got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"url": serve(t, answer(200, body, "Content-Type", "application/json"))})
		if got.Err == nil || got.Err.Code != "answer_not_json" || !strings.Contains(got.Err.Message, want) {
			t.Errorf("%.20s: outcome %+v, want answer_not_json: %s", body, got.Err, want)
		}
	}
}

func TestLargestAnswer(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", MaxResponse)
	got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"url": serve(t, answer(200, body, "Content-Type", "text/plain"))})
	if got.Err != nil || len(got.Output) != MaxResponse+2 {
		t.Errorf("%d bytes, error %v; want %d", len(got.Output), got.Err, MaxResponse+2)
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]retry.Category{
		300: retry.ClientError, 304: retry.ClientError, 307: retry.ClientError,
		400: retry.ClientError, 401: retry.Auth, 403: retry.Auth, 404: retry.NotFound, 408: retry.Timeout,
		409: retry.Conflict, 410: retry.NotFound, 412: retry.Conflict, 422: retry.ClientError, 429: retry.RateLimited,
		500: retry.Upstream, 502: retry.Upstream, 503: retry.Upstream, 504: retry.Timeout,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			url := serve(t, answer(status, bodyFor(status), "Location", "/elsewhere", "X-Request-Id", "r1"))
			got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"method": "POST", "url": url + "/path?token=secret"})
			if got.Err == nil || got.Err.Category != want || got.Err.Code != strconv.Itoa(status) {
				t.Fatalf("outcome %+v, want %s with the code %d", got.Err, want, status)
			}
			prefix := fmt.Sprintf("POST %s answered %d", strings.TrimPrefix(url, "http://"), status)
			if !strings.HasPrefix(got.Err.Message, prefix) || strings.Contains(got.Err.Message, "secret") {
				t.Errorf("message %q, want it to start with %q and to show no secret", got.Err.Message, prefix)
			}
			if got.Response == nil || got.Response.Status != status || got.Response.Headers["x-request-id"] != "r1" {
				t.Errorf("response %+v", got.Response)
			}
			if unclear := status == 502 || status == 504; got.Err.Unclear != unclear {
				t.Errorf("unclear %v, want %v", got.Err.Unclear, unclear)
			}
			if !got.Err.Answered {
				t.Error("it does not say that it is an answer")
			}
		})
	}
}

func bodyFor(status int) string {
	if status == 304 {
		return ""
	}
	return "secret"
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"":                              0,
		"120":                           2 * time.Minute,
		"0":                             0,
		"-5":                            0,
		"soon":                          0,
		"99999999999999999":             maxRetryAfter,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
		"Sun, 01 Mar 2126 12:00:00 GMT": maxRetryAfter,
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			h := newCaller(t, HTTPConfig{})
			got := call(t, h, map[string]any{"url": serve(t, answer(503, "", "Retry-After", value))})
			category := retry.Upstream
			if want > 0 {
				category = retry.RateLimited
			}
			if got.Err == nil || got.Err.RetryAfter != want || got.Err.Category != category {
				t.Errorf("outcome %+v, want %s after %s", got.Err, category, want)
			}
		})
	}
	if d := NewHTTP(HTTPConfig{}).retryAfter("Sun, 01 Mar 2026 12:00:30 GMT"); d != 0 {
		t.Errorf("without a clock a date means %s, want 0", d)
	}
}

func TestKeptHeaders(t *testing.T) {
	t.Parallel()
	got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"url": serve(t, answer(200, "{}",
		"Content-Type", "application/json", "ETag", `"v1"`, "Set-Cookie", "session=secret", "X-Other", "y",
		"Location", strings.Repeat("l", maxKeptHeader+1), "X-Request-Id", "a", "X-Request-Id", "b"))})
	body, err := json.Marshal(got.Response)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"status":200,"headers":{"content-type":"application/json","etag":"\"v1\"","x-request-id":"a, b"}}`
	if string(body) != want {
		t.Errorf("response %s, want %s", body, want)
	}
}

// Whatever an answer was, its connection serves the next call.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	answers := []http.HandlerFunc{
		answer(200, `{"a":1}`, "Content-Type", "application/json"),
		answer(200, strings.Repeat("x", 100<<10), "Content-Type", "text/plain"), // in chunks
		answer(204, ""),
		answer(404, strings.Repeat("x", 8<<10)),
		answer(200, zipped(`{}`), "Content-Type", "application/json", "Content-Encoding", "gzip"),
		answer(200, "<", "Content-Type", "application/json"),
		answer(200, ""),
	}
	var n atomic.Int64
	peers := make(map[string]bool)
	h := newCaller(t, HTTPConfig{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		peers[r.RemoteAddr] = true // one call at a time
		answers[n.Load()](w, r)
	})
	for i := range answers {
		n.Store(int64(i))
		call(t, h, map[string]any{"url": url})
	}
	if len(peers) != 1 {
		t.Errorf("%d connections for %d calls in a row, want 1", len(peers), len(answers))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("application/json", []byte("{\n\"a\": 1e400}"))
	f.Add("text/plain", []byte("\xff"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		got, err := decode(contentType, body)
		if err == nil && got != nil {
			if _, err := expr.Decode(got); err != nil || !json.Valid(got) {
				t.Errorf("output %q cannot be read: %v", got, err)
			}
		}
		if bytes.IndexByte(got, '\n') >= 0 {
			t.Errorf("output %q has line ends between its tokens", got)
		}
	})
}
