package step

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// onTheWire is what a call sends, byte for byte, up to the end of its body.
func onTheWire(t *testing.T, c Call) string {
	t.Helper()
	var sent strings.Builder
	synctest.Test(t, func(t *testing.T) {
		h := newCaller(t, HTTPConfig{DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer func() { _ = server.Close() }()
				buf := make([]byte, 64<<10)
				n, _ := server.Read(buf) // the request is one write
				sent.Write(buf[:n])
				_, _ = io.WriteString(server, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
				_, _ = io.Copy(&sent, bufio.NewReader(server))
			}()
			return client, nil
		}})
		if got := h.Call(t.Context(), c); got.Err != nil {
			t.Errorf("call failed: %+v", got.Err)
		}
		synctest.Wait()
	})
	return sent.String()
}

const ownLines = "Idempotency-Key: ex_1/crm\r\nTraceparent: 00-01-02-01\r\n"

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	const url = "http://api.example.com/deals"
	type object = map[string]any
	for name, c := range map[string]struct {
		request object
		want    string
	}{
		"GET by default": {object{"url": url},
			"GET /deals HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\n" + ownLines + "\r\n"},
		"DELETE without a body": {object{"url": url, "method": "delete"},
			"DELETE /deals HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\n" + ownLines + "\r\n"},
		"POST without a body": {object{"url": url, "method": "POST"},
			"POST /deals HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\n" + ownLines + "content-length: 0\r\n\r\n"},
		"POST of an empty string": {object{"url": url, "method": "POST", "body": ""},
			"POST /deals HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\nContent-Type: text/plain; charset=utf-8\r\n" +
				ownLines + "content-length: 0\r\n\r\n"},
		"POST of null": {object{"url": url, "method": "POST", "body": nil},
			"POST /deals HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\nContent-Length: 4\r\nContent-Type: application/json\r\n" +
				ownLines + "\r\nnull"},
		"POST of an object": {object{"url": url, "method": "POST", "body": object{"b": "<&>", "a": []any{1, 2.5, true, nil}}},
			"POST /deals HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\nContent-Length: 33\r\nContent-Type: application/json\r\n" +
				ownLines + "\r\n" + `{"a":[1,2.5,true,null],"b":"<&>"}`},
		"a string as another type": {object{"url": url, "method": "PUT", "body": "<a/>", "headers": object{"content-type": "application/xml"}},
			"PUT /deals HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\nContent-Length: 4\r\nContent-Type: application/xml\r\n" +
				ownLines + "\r\n<a/>"},
		"an object as a form": {object{"url": url, "method": "POST", "body": object{"b": []any{1, "x y"}, "a": true},
			"headers": object{"Content-Type": "application/x-www-form-urlencoded"}},
			"POST /deals HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\nContent-Length: 16\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
				ownLines + "\r\na=true&b=1&b=x+y"},
		"a query is added": {object{"url": url + "?z=1#part", "query": object{"b": []any{"x", 2.0}, "a": "ä&", "none": nil}},
			"GET /deals?z=1&a=%C3%A4%26&b=x&b=2 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\n" + ownLines + "\r\n"},
		"what a query must not hold": {object{"url": url + `?q=a b&c=d"<>[ä]|\^{}` + "`#part"},
			"GET /deals?q=a%20b&c=d%22%3C%3E[%C3%A4]%7C%5C%5E%7B%7D%60 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\n" + ownLines + "\r\n"},
		"what a query may hold": {object{"url": url + "?-._~!$&'()*+,;=:@/?%2f%C3%a4&100%&%4&%zz"},
			"GET /deals?-._~!$&'()*+,;=:@/?%2f%C3%a4&100%25&%254&%25zz HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\n" + ownLines + "\r\n"},
		"a path with spaces": {object{"url": url + `/a b/ä"`},
			"GET /deals/a%20b/%C3%A4%22 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\n" + ownLines + "\r\n"},
		"a path keeps its escapes": {object{"url": url + `/a b%2fc?d=e f`, "query": object{"g": "h i"}},
			"GET /deals/a%20b%2fc?d=e%20f&g=h+i HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: stepline\r\n" + ownLines + "\r\n"},
		"headers": {object{"url": url, "headers": object{"x-n": 7, "user-agent": "mine", "gone": nil,
			"idempotency-key": "mine", "traceparent": "mine"}},
			"GET /deals HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: mine\r\n" + ownLines + "X-N: 7\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := onTheWire(t, Call{Request: c.request, Key: "ex_1/crm", Traceparent: "00-01-02-01"})
			if got != c.want {
				t.Errorf("sent\n%q\nwant\n%q", got, c.want)
			}
		})
	}
}

func TestInvalidRequests(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	ok := "http://h/"
	for name, c := range map[string]struct {
		request any
		want    string // in the message
	}{
		"not an object":       {"x", "request must be an object"},
		"unknown field":       {object{"url": ok, "auth": 1}, "request.auth is not known"},
		"no url":              {object{}, "request.url must be a string"},
		"relative url":        {object{"url": "/secret"}, "must be absolute"},
		"other scheme":        {object{"url": "ftp://h/secret"}, "http://"},
		"no host":             {object{"url": "http://:80/secret"}, "name a host"},
		"opaque":              {object{"url": "http:secret"}, "name a host"},
		"userinfo":            {object{"url": "http://u:secret@h/"}, "user name or password"},
		"unparsable":          {object{"url": "http://h/%zzsecret"}, "not a valid address"},
		"a line end":          {object{"url": "http://h/?q=a\nsecret"}, "no control character"},
		"port":                {object{"url": "http://h:99999/secret"}, "port from 1 to 65535"},
		"method":              {object{"url": ok, "method": "CONNECT"}, "request.method must be"},
		"method type":         {object{"url": ok, "method": 1}, "request.method must be"},
		"query type":          {object{"url": ok, "query": "a=secret"}, "request.query must be an object"},
		"query value":         {object{"url": ok, "query": object{"a": object{}}}, "request.query.a must be"},
		"headers type":        {object{"url": ok, "headers": []any{}}, "request.headers must be an object"},
		"header name":         {object{"url": ok, "headers": object{"a b": "x"}}, "a name must be made of"},
		"header value":        {object{"url": ok, "headers": object{"a": "secret\r\nX: y"}}, "request.headers.a must be a string"},
		"header list":         {object{"url": ok, "headers": object{"a": []any{"x"}}}, "request.headers.a must be a string"},
		"header twice":        {object{"url": ok, "headers": object{"x-a": "1", "X-A": "2"}}, "given twice"},
		"host header":         {object{"url": ok, "headers": object{"host": "h"}}, "request.headers.host cannot be set"},
		"length header":       {object{"url": ok, "headers": object{"Content-length": "1"}}, "cannot be set"},
		"hop-by-hop header":   {object{"url": ok, "headers": object{"transfer-encoding": "chunked"}}, "cannot be set"},
		"expectation":         {object{"url": ok, "headers": object{"expect": "100-continue"}}, "cannot be set"},
		"body without a form": {object{"url": ok, "method": "POST", "body": object{"a": object{}}, "headers": object{"content-type": typeForm}}, "request.body.a must be"},
		"body not JSON":       {object{"url": ok, "method": "POST", "body": func() {}}, "request.body cannot be written"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newCaller(t, HTTPConfig{DialContext: func(context.Context, string, string) (net.Conn, error) {
				t.Error("a connection was opened for an invalid request")
				return nil, io.EOF
			}})
			got := h.Call(t.Context(), Call{Request: c.request, Key: "k"})
			if got.Err == nil || got.Err.Category != retry.Validation || got.Err.Unclear || !strings.Contains(got.Err.Message, c.want) {
				t.Fatalf("outcome %+v, want a validation error about %q", got.Err, c.want)
			}
			if strings.Contains(got.Err.Message, "secret") {
				t.Errorf("the message shows what may be secret: %s", got.Err.Message)
			}
		})
	}
}

func TestBrokenKeyIsOurFault(t *testing.T) {
	t.Parallel()
	got := newCaller(t, HTTPConfig{}).Call(t.Context(), Call{Key: "a\nb", Request: map[string]any{"url": "http://h/"}})
	if got.Err == nil || got.Err.Category != retry.Internal {
		t.Errorf("outcome %+v, want an internal error", got.Err)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("http://h/a?b=c", "POST", "X-A", "v", "body")
	f.Add("http://h/a b%2F\"?c=d e%", "GET", "X-A", "v", "")
	f.Add("https://[::1]:8443/", "get", "content-type", "application/json", "")
	f.Fuzz(func(t *testing.T, url, method, name, value, body string) {
		r, fault := newRequest(Call{Key: "k", Request: map[string]any{
			"url": url, "method": method, "headers": map[string]any{name: value}, "body": body}})
		if fault != nil {
			if fault.Category != retry.Validation {
				t.Errorf("%+v", fault)
			}
			return
		}
		out := r.outgoing(t.Context())
		if out.Body == nil || out.GetBody != nil || out.URL.Hostname() == "" || out.URL.User != nil {
			t.Errorf("request %+v can be replayed or has no proper target", out)
		}
		var wire strings.Builder
		if err := out.Write(&wire); err != nil {
			t.Errorf("accepted, but cannot be written: %v", err)
		}
		head, _, _ := strings.Cut(wire.String(), "\r\n\r\n")
		if strings.Contains(strings.ReplaceAll(head, "\r\n", ""), "\n") {
			t.Errorf("a line was smuggled in: %q", head)
		}
		line, _, _ := strings.Cut(head, "\r\n")
		if strings.Count(line, " ") != 2 || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("a malformed request line: %q", line)
		}
	})
}
