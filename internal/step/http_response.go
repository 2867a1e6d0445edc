package step

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// result reads the answer to its end, so that the connection can be used again.
func (h *HTTP) result(ctx context.Context, req *request, res *http.Response) Result {
	defer func() { _ = res.Body.Close() }()
	out := Result{Response: seen(res)}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		if res.StatusCode != http.StatusSwitchingProtocols { // its body is the open connection
			discard(res.Body)
		}
		out.Err = h.refusal(req, res)
		return out
	}
	if req.method == http.MethodHead {
		return out
	}
	body, err := readBody(res)
	if err != nil {
		return Result{Response: out.Response, Err: brokenAnswer(ctx, req, err)}
	}
	out.Output, err = decode(res.Header.Get("Content-Type"), body)
	if err != nil {
		out.Err = brokenAnswer(ctx, req, err)
	}
	return out
}

// refusal is the error of an answer that is not a success.
func (h *HTTP) refusal(req *request, res *http.Response) *Error {
	status := res.StatusCode
	e := &Error{
		Category: retry.FromHTTP(status), Code: strconv.Itoa(status),
		Message:    req.name() + " answered " + strconv.Itoa(status),
		RetryAfter: h.retryAfter(res.Header.Get("Retry-After")), Answered: true,
		// A gateway that lost its upstream does not know what happened there.
		Unclear: status == http.StatusBadGateway || status == http.StatusGatewayTimeout,
	}
	switch {
	case redirects(status) && res.Header.Get("Location") == "":
		e.Message += ", a redirect without a Location, so to no address"
	case redirects(status):
		e.Message += ", a redirect; only a GET or HEAD without a body follows one"
	case status == http.StatusServiceUnavailable && e.RetryAfter > 0:
		e.Category = retry.RateLimited
	}
	return e
}

// maxRetryAfter keeps absurd wishes from overflowing; the retry policy has the
// bound that counts.
const maxRetryAfter = 365 * 24 * time.Hour

// retryAfter reads seconds or an HTTP date; 0 for none, the past or nonsense.
func (h *HTTP) retryAfter(s string) time.Duration {
	if s = strings.TrimSpace(s); s == "" {
		return 0
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return time.Duration(min(n, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(s)
	if err != nil || h.now == nil {
		return 0
	}
	return min(max(at.Sub(h.now()), 0), maxRetryAfter)
}

// keptHeaders is what expressions can read of an answer's headers. It is short
// because each step's record holds them, and a record within 1 KB costs one
// write unit. Set-Cookie is a credential and never kept.
var keptHeaders = [...]struct{ canonical, name string }{
	{"Content-Type", "content-type"},
	{"Etag", "etag"},
	{"Location", "location"},
	{"Retry-After", "retry-after"},
	{"X-Request-Id", "x-request-id"},
}

// maxKeptHeader is the longest header value kept, in bytes; a longer one is
// left out, since half a location is worse than none.
const maxKeptHeader = 512

// seen is what stands beside the output of the call.
func seen(res *http.Response) *Response {
	out := &Response{Status: res.StatusCode}
	for _, k := range keptHeaders {
		values := res.Header[k.canonical]
		if len(values) == 0 {
			continue
		}
		v := strings.Join(values, ", ")
		if len(v) > maxKeptHeader || !utf8.ValidString(v) {
			continue
		}
		if out.Headers == nil {
			out.Headers = make(map[string]string, 2)
		}
		out.Headers[k.name] = v
	}
	return out
}

// decode turns a body into the step's output. JSON stays as it came, byte for
// byte, but for the space between its tokens when it has lines; any other text
// becomes a string, an empty body null, and other bytes
// {"base64": …, "contentType": …}.
func decode(contentType string, body []byte) (json.RawMessage, error) {
	kind := mediaType(contentType)
	if isJSON(kind) {
		return decodeJSON(body)
	}
	switch {
	case len(body) == 0:
		return nil, nil
	case utf8.Valid(body):
		return expr.Encode(string(body))
	}
	return expr.Encode(map[string]any{"base64": base64.StdEncoding.EncodeToString(body), "contentType": contentType})
}

var byteOrderMark = []byte("\xef\xbb\xbf")

func decodeJSON(body []byte) (json.RawMessage, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, byteOrderMark))
	if len(body) == 0 {
		return nil, nil
	}
	if !utf8.Valid(body) { // as every JSON decoder of Go does
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	if err := expr.Check(body); err != nil { // what is kept must be readable for the steps after it
		return nil, fmt.Errorf("%w: %w", errNotJSON, err)
	}
	if bytes.IndexByte(body, '\n') < 0 {
		return body, nil
	}
	var compact bytes.Buffer // a line end stands between tokens only: it was indented
	compact.Grow(len(body))
	if json.Compact(&compact, body) != nil {
		return nil, errNotJSON
	}
	return compact.Bytes(), nil
}
