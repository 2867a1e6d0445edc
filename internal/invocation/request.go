package invocation

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// payloadFormat is the version of the events that are understood.
const payloadFormat = "2.0"

// request is the request an event carries. An error says what the event is
// instead, in one sentence that repeats nothing of its content.
func request(ctx context.Context, payload []byte, id string) (*http.Request, error) {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(payload, &e); err != nil || e.Version != payloadFormat || e.RequestContext.HTTP.Method == "" {
		return nil, notAPI(payload)
	}
	body, err := decodeBody(e)
	if err != nil {
		return nil, err
	}
	u := &url.URL{RawQuery: e.RawQueryString}
	if err := setPath(u, routePath(e)); err != nil {
		return nil, err
	}
	r := &http.Request{
		Method: e.RequestContext.HTTP.Method, URL: u, RequestURI: u.RequestURI(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header(e), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		RemoteAddr: net.JoinHostPort(e.RequestContext.HTTP.SourceIP, "0"),
	}
	if r.Host = r.Header.Get("Host"); r.Host == "" {
		r.Host = e.RequestContext.DomainName
	}
	r.Header.Del("Host")
	if r.Header.Get("X-Request-Id") == "" && id != "" {
		r.Header.Set("X-Request-Id", id) // the answer then names the log's lines
	}
	return r.WithContext(ctx), nil
}

func decodeBody(e events.APIGatewayV2HTTPRequest) ([]byte, error) {
	if !e.IsBase64Encoded {
		return []byte(e.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return nil, errors.New("its body says that it is base64, and is not")
	}
	return body, nil
}

// header is the request's header. Fields that were sent several times come
// joined by commas, cookies as a list of their own.
func header(e events.APIGatewayV2HTTPRequest) http.Header {
	h := make(http.Header, len(e.Headers)+1)
	for name, value := range e.Headers {
		h.Set(name, value)
	}
	if len(e.Cookies) > 0 {
		h.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	return h
}

// routePath is the event's path without the stage, or the prefix of a custom
// domain, that API Gateway puts in front of the route it matched.
func routePath(e events.APIGatewayV2HTTPRequest) string {
	_, route, _ := strings.Cut(e.RouteKey, " ")
	want, have := strings.Split(route, "/"), strings.Split(e.RawPath, "/")
	if extra := len(have) - len(want); route != "" && extra >= 0 && !strings.Contains(route, "+}") {
		rest := slices.Concat([]string{""}, have[extra+1:])
		if sameRoute(want, rest) {
			return strings.Join(rest, "/")
		}
	}
	if stage := e.RequestContext.Stage; stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(e.RawPath, "/"+stage); ok && (rest == "" || rest[0] == '/') {
			return "/" + strings.TrimPrefix(rest, "/")
		}
	}
	return e.RawPath
}

// sameRoute reports whether a path's elements are those of a route, in which
// {names} stand for anything.
func sameRoute(route, path []string) bool {
	return slices.EqualFunc(route, path, func(r, p string) bool {
		return r == p || strings.HasPrefix(r, "{")
	})
}

// setPath sets a path that may be decoded already: what is escaped stays so,
// what cannot stand in a path is escaped.
func setPath(u *url.URL, path string) error {
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case c == '%' && (i+2 >= len(path) || !hex(path[i+1]) || !hex(path[i+2])), c <= ' ', c >= 0x7f, strings.IndexByte("?#\"<>\\^`{|}", c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	raw := b.String()
	if !strings.HasPrefix(raw, "/") {
		return errors.New("its path does not begin with /")
	}
	plain, err := url.PathUnescape(raw)
	if err != nil {
		return errors.New("its path cannot be read")
	}
	u.Path, u.RawPath = plain, raw
	return nil
}

func hex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// notAPI says what an event is that is no API event.
func notAPI(payload []byte) error {
	var e struct {
		Version    any    `json:"version"`
		HTTPMethod string `json:"httpMethod"`
		Source     string `json:"source"`
		DetailType string `json:"detail-type"`
		Records    []struct {
			EventSource string `json:"eventSource"`
		}
	}
	found := "no event that it knows"
	switch err := json.Unmarshal(payload, &e); {
	case err != nil:
		found = "not a JSON object"
	case len(e.Records) > 0:
		found = "a batch of records"
	case e.HTTPMethod != "":
		found = "an API event of payload format 1.0"
	case e.DetailType != "" || e.Source != "":
		found = "an EventBridge event"
	}
	return fmt.Errorf("this function answers events of an HTTP API or a function URL with payload format %s; this is %s", payloadFormat, found)
}
