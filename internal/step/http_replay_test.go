package step

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// cuttingServer answers /warm, so that a connection is kept, and ends the
// connection on the first request for /cut once it has read it. Any later one
// is answered, as a replay would be.
type cuttingServer struct {
	address string
	seen    atomic.Int64 // requests for /cut
	conns   atomic.Int64
}

func newCuttingServer(t *testing.T) *cuttingServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &cuttingServer{address: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return s
}

func (s *cuttingServer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		if req.URL.Path == "/cut" && s.seen.Add(1) == 1 {
			return
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}

var replayCases = []struct {
	name, method string
	body         any // nil: none
}{
	{"GET", "GET", nil},
	{"HEAD", "HEAD", nil},
	{"DELETE", "DELETE", nil},
	{"OPTIONS", "OPTIONS", nil},
	{"empty POST", "POST", nil},
	{"POST of an empty string", "POST", ""},
	{"POST with a body", "POST", "hello"},
	{"POST of JSON", "POST", map[string]any{"a": 1}},
	{"PUT", "PUT", "hello"},
	{"empty PUT", "PUT", nil},
	{"PATCH", "PATCH", "hello"},
	{"GET with a body", "GET", "hello"},
}

func TestNeverReplaysWhenTheServerCuts(t *testing.T) {
	t.Parallel()
	for _, c := range replayCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, h := newCuttingServer(t), newCaller(t, HTTPConfig{})
			defer h.Close()
			warm(t, func(ctx context.Context) { callIn(ctx, t, h, "http://"+s.address+"/warm") })
			before := s.conns.Load()
			request := map[string]any{"method": c.method, "url": "http://" + s.address + "/cut"}
			if c.body != nil {
				request["body"] = c.body
			}
			got := call(t, h, request)
			if n := s.seen.Load(); n != 1 {
				t.Errorf("the server saw %d requests, want exactly 1", n)
			}
			if n := s.conns.Load(); n != before {
				t.Errorf("%d new connections, want none: the test needs a reused one", n-before)
			}
			if got.Err == nil || got.Err.Category != retry.Network || !got.Err.Unclear {
				t.Errorf("outcome %+v, want an unclear network error", got.Err)
			}
		})
	}
}

// The control: net/http's own client does replay what the cases above send, so
// the server above would notice.
func TestPlainClientReplays(t *testing.T) {
	t.Parallel()
	for _, c := range replayCases {
		text, isText := c.body.(string)
		if c.body != nil && !isText {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, transport := newCuttingServer(t), &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			send := func(ctx context.Context, method, path, body string) {
				req, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Idempotency-Key", "ex_1/crm")
				if res, err := client.Do(req); err == nil {
					_ = res.Body.Close()
				}
			}
			warm(t, func(ctx context.Context) { send(ctx, "GET", "/warm", "") })
			send(t.Context(), c.method, "/cut", text)
			if n := s.seen.Load(); n != 2 {
				t.Errorf("the server saw %d requests, want 2: has net/http changed?", n)
			}
		})
	}
}

// warm makes requests until one leaves its connection behind for the next.
// net/http gives up a connection whose writer it does not hear of within 50 ms,
// as can be on a busy machine.
func warm(t *testing.T, request func(ctx context.Context)) {
	t.Helper()
	for range 100 {
		kept := false
		request(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{PutIdleConn: func(err error) { kept = err == nil }}))
		if kept {
			return
		}
	}
	t.Fatal("no connection is ever kept")
}

func callIn(ctx context.Context, t *testing.T, h *HTTP, address string) {
	t.Helper()
	if got := h.Call(ctx, Call{Key: "ex_1/warm", Request: map[string]any{"url": address}}); got.Err != nil {
		t.Fatal(got.Err)
	}
}

// hookedConn tells when something was written and when it was closed.
type hookedConn struct {
	net.Conn
	wrote  func()
	closed func()
}

func (c *hookedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.wrote()
	return n, err
}

func (c *hookedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// unreadServer answers the first request of each connection, then ends it
// without reading on when told to.
func unreadServer(t *testing.T, cut <-chan struct{}) (address string, seen *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen = new(atomic.Int64)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				seen.Add(1)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				<-cut
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return l.Addr().String(), seen
}

func TestCutBeforeTheServerReads(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "DELETE", "POST"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			cut := make(chan struct{})
			end := sync.OnceFunc(func() { close(cut) })
			var armed atomic.Bool
			address, seen := unreadServer(t, cut)
			t.Cleanup(end)
			h := newCaller(t, HTTPConfig{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return &hookedConn{Conn: conn, closed: func() {}, wrote: func() {
					if armed.Load() { // the second request is on its way
						end()
					}
				}}, err
			}})
			defer h.Close()
			warm(t, func(ctx context.Context) { callIn(ctx, t, h, "http://"+address) })
			before := seen.Load()
			armed.Store(true)
			got := call(t, h, map[string]any{"method": method, "url": "http://" + address})
			if n := seen.Load(); n != before {
				t.Errorf("the server read %d requests, want only the one before", n)
			}
			if got.Err == nil || got.Err.Category != retry.Network || !got.Err.Unclear {
				t.Errorf("outcome %+v, want an unclear network error", got.Err)
			}
		})
	}
}

// A connection that the server ended before a byte of the request was written
// is not an attempt: nothing can have happened, so another one is taken.
func TestStepsOverADeadConnection(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			cut := make(chan struct{})
			end := sync.OnceFunc(func() { close(cut) })
			address, seen := unreadServer(t, cut)
			t.Cleanup(end)
			var closed atomic.Pointer[chan struct{}] // of the connection made last
			h := newCaller(t, HTTPConfig{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				mine := make(chan struct{})
				closed.Store(&mine)
				return &hookedConn{Conn: conn, wrote: func() {}, closed: sync.OnceFunc(func() { close(mine) })}, err
			}})
			defer h.Close()
			warm(t, func(ctx context.Context) { callIn(ctx, t, h, "http://"+address) })
			before, reused := seen.Load(), 0
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
				if info.Reused {
					reused++
					end() // the call holds the connection, and now it dies
					<-*closed.Load()
				}
			}})
			got := h.Call(ctx, Call{Key: "k", Request: map[string]any{"method": method, "url": "http://" + address, "body": "once"}})
			if got.Err != nil {
				t.Fatalf("outcome %+v, want success on a new connection", got.Err)
			}
			if n := seen.Load() - before; reused != 1 || n != 1 {
				t.Errorf("%d reused connections and %d more requests seen, want 1 and 1", reused, n)
			}
		})
	}
}
