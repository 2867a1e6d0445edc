package step

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// request is a checked request, ready to be sent.
type request struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
	// proof names the headers that authenticate or sign the request.
	proof []string
}

// newRequest checks the evaluated request object.
func newRequest(c Call) (*request, *Error) {
	fields, ok := c.Request.(map[string]any)
	if !ok {
		return nil, invalid("request must be an object with method, url, headers, query and body")
	}
	for name := range fields {
		switch name {
		case "method", "url", "headers", "query", "body":
		default:
			return nil, invalid("request.%s is not known; known are method, url, headers, query and body", name)
		}
	}
	r := &request{}
	var fault *Error
	if r.method, fault = method(fields["method"]); fault != nil {
		return nil, fault
	}
	if r.url, fault = target(fields["url"]); fault != nil {
		return nil, fault
	}
	if fault = addQuery(r.url, fields["query"]); fault != nil {
		return nil, fault
	}
	if r.header, fault = headers(fields["headers"]); fault != nil {
		return nil, fault
	}
	if body, present := fields["body"]; present {
		if fault = r.setBody(body); fault != nil {
			return nil, fault
		}
	}
	if fault = r.addOwnHeaders(c); fault != nil {
		return nil, fault
	}
	return r, nil
}

// Shared by all requests: net/http does not change them.
var (
	userAgent = []string{"stepline"}
	noLength  = []string{"0"}
	identity  = []string{"identity"}
)

const (
	keyHeader = "Idempotency-Key"
	// lengthHeader is in lower case because net/http drops the canonical name
	// from the headers it is given.
	lengthHeader = "content-length"
)

func (r *request) addOwnHeaders(c Call) *Error {
	if !validValue(c.Key) || !validValue(c.Traceparent) {
		return &Error{Category: retry.Internal, Code: "request", Message: "the idempotency key or the traceparent holds a control character"}
	}
	if c.Key != "" {
		r.header[keyHeader] = []string{c.Key}
	}
	if c.Traceparent != "" {
		r.header["Traceparent"] = []string{c.Traceparent}
	}
	if _, named := r.header["User-Agent"]; !named {
		r.header["User-Agent"] = userAgent
	}
	if len(r.body) == 0 {
		switch r.method {
		case http.MethodPost, http.MethodPut, http.MethodPatch:
			r.header[lengthHeader] = noLength
		}
	}
	return nil
}

// outgoing is the request as net/http takes it. It must never be one that the
// Transport sends a second time by itself, so it has a body that is neither nil
// nor http.NoBody, and no GetBody.
//
// An empty body of that kind has no length for net/http, which would probe it
// and send it in chunks. The encoding "identity" keeps it from both: nothing is
// written after the headers, and the Content-Length that servers expect of a
// POST, PUT or PATCH is among them (lengthHeader).
func (r *request) outgoing(ctx context.Context) *http.Request {
	out := &http.Request{
		Method: r.method, URL: r.url, Host: r.url.Host, Header: r.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		// A reader that net/http knows to be in memory goes out together with
		// the headers, in one write.
		Body: io.NopCloser(bytes.NewReader(r.body)), ContentLength: int64(len(r.body)),
	}
	if len(r.body) == 0 {
		out.TransferEncoding = identity
	}
	return out.WithContext(ctx)
}

func method(v any) (string, *Error) {
	if v == nil {
		return http.MethodGet, nil
	}
	s, _ := v.(string)
	switch m := strings.ToUpper(s); m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m, nil
	}
	return "", invalid("request.method must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS")
}

// form reads an object as parameters: null leaves one out, a list repeats it.
func form(what string, v any) (url.Values, *Error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, invalid("%s must be an object of strings, numbers, booleans or lists of them", what)
	}
	values := make(url.Values, len(fields))
	for name, v := range fields {
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for _, v := range list {
			if v == nil {
				continue
			}
			s, ok := scalar(v)
			if !ok {
				return nil, invalid("%s.%s must be a string, number, boolean or a list of them", what, name)
			}
			values.Add(name, s)
		}
	}
	return values, nil
}

// scalar writes a string, a boolean or a number as text.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

func invalid(format string, args ...any) *Error {
	return &Error{Category: retry.Validation, Code: "request", Message: fmt.Sprintf(format, args...)}
}
