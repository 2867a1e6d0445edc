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
			if warm := call(t, h, map[string]any{"url": "http://" + s.address + "/warm"}); warm.Err != nil {
				t.Fatal(warm.Err)
			}
			request := map[string]any{"method": c.method, "url": "http://" + s.address + "/cut"}
			if c.body != nil {
				request["body"] = c.body
			}
			got := call(t, h, request)
			if n := s.seen.Load(); n != 1 {
				t.Errorf("the server saw %d requests, want exactly 1", n)
			}
			if n := s.conns.Load(); n != 1 {
				t.Errorf("%d connections, want 1: the test needs a reused one", n)
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
			send := func(method, path, body string) {
				req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Idempotency-Key", "ex_1/crm")
				if res, err := client.Do(req); err == nil {
					_ = res.Body.Close()
				}
			}
			send("GET", "/warm", "")
			send(c.method, "/cut", text)
			if n := s.seen.Load(); n != 2 {
				t.Errorf("the server saw %d requests, want 2: has net/http changed?", n)
			}
		})
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

// unreadServer answers the first request, then ends the first connection
// without reading on when told to. Later connections are answered.
func unreadServer(t *testing.T, cut <-chan struct{}) (address string, seen *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen = new(atomic.Int64)
	var all sync.WaitGroup
	all.Go(func() {
		for first := true; ; first = false {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				r := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					seen.Add(1)
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					if first {
						<-cut
						return
					}
				}
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
			cut, writes := make(chan struct{}), 0
			address, seen := unreadServer(t, cut)
			h := newCaller(t, HTTPConfig{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return &hookedConn{Conn: conn, closed: func() {}, wrote: func() {
					if writes++; writes == 2 { // the second request is on its way
						close(cut)
					}
				}}, err
			}})
			defer h.Close()
			if warm := call(t, h, map[string]any{"url": "http://" + address}); warm.Err != nil {
				t.Fatal(warm.Err)
			}
			got := call(t, h, map[string]any{"method": method, "url": "http://" + address})
			if n := seen.Load(); n != 1 {
				t.Errorf("the server read %d requests, want only the first", n)
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
			cut, closed := make(chan struct{}), make(chan struct{})
			address, seen := unreadServer(t, cut)
			var once sync.Once
			h := newCaller(t, HTTPConfig{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return &hookedConn{Conn: conn, wrote: func() {}, closed: func() { once.Do(func() { close(closed) }) }}, err
			}})
			defer h.Close()
			if warm := call(t, h, map[string]any{"url": "http://" + address}); warm.Err != nil {
				t.Fatal(warm.Err)
			}
			reused := 0
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
				if info.Reused {
					reused++
					close(cut) // the call holds the connection, and now it dies
					<-closed
				}
			}})
			got := h.Call(ctx, Call{Key: "k", Request: map[string]any{"method": method, "url": "http://" + address, "body": "once"}})
			if got.Err != nil {
				t.Fatalf("outcome %+v, want success on a new connection", got.Err)
			}
			if reused != 1 || seen.Load() != 2 {
				t.Errorf("%d reused connections and %d requests seen, want 1 and 2", reused, seen.Load())
			}
		})
	}
}
