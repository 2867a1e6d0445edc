package step

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// pipeTo dials in-memory connections that serve handles and then closes.
func pipeTo(serve func(conn net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer func() { _ = server.Close() }()
			serve(server)
		}()
		return client, nil
	}
}

// readRequest reads one request from conn to its end.
func readRequest(conn net.Conn) {
	if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

var post = Call{Key: "k", Request: map[string]any{"method": "POST", "url": "http://api.example.com/p?token=secret", "body": "secret"}}

func TestDeadlineAndCancel(t *testing.T) {
	t.Parallel()
	silent := func(conn net.Conn) { readRequest(conn); _, _ = io.Copy(io.Discard, conn) }
	for name, c := range map[string]struct {
		dial    func(context.Context, string, string) (net.Conn, error)
		unclear bool
	}{
		"no answer": {pipeTo(silent), true},
		"half an answer": {pipeTo(func(conn net.Conn) {
			readRequest(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			_, _ = io.Copy(io.Discard, conn)
		}), true},
		"half a header": {pipeTo(func(conn net.Conn) {
			readRequest(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-")
			_, _ = io.Copy(io.Discard, conn)
		}), true},
		"no connection": {func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, begun := newCaller(t, HTTPConfig{DialContext: c.dial}), time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				got := h.Call(ctx, post)
				if got.Err == nil || got.Err.Category != retry.Timeout || got.Err.Unclear != c.unclear {
					t.Errorf("outcome %+v, want a timeout, unclear %v", got.Err, c.unclear)
				}
				if took := time.Since(begun); took != 3*time.Second {
					t.Errorf("returned after %s, want the 3 s of the context", took)
				}
				synctest.Wait()
			})
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				got := newCaller(t, HTTPConfig{DialContext: c.dial}).Call(ctx, post)
				if got.Err == nil || got.Err.Category != retry.Cancelled || got.Err.Unclear != c.unclear {
					t.Errorf("outcome %+v, want cancelled, unclear %v", got.Err, c.unclear)
				}
			})
		})
	}
}

func TestEndedBeforeTheCall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := newCaller(t, HTTPConfig{DialContext: func(context.Context, string, string) (net.Conn, error) {
		t.Error("connected for a call that had ended")
		return nil, io.EOF
	}})
	if got := h.Call(ctx, post); got.Err == nil || got.Err.Category != retry.Cancelled || got.Err.Unclear {
		t.Errorf("outcome %+v, want cancelled and clear", got.Err)
	}
}

func TestBrokenConversations(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(net.Conn){
		"closed unread":        func(net.Conn) {},
		"closed after reading": readRequest,
		"not HTTP":             func(c net.Conn) { readRequest(c); _, _ = io.WriteString(c, "secret\r\n\r\n") },
		"half a header":        func(c net.Conn) { readRequest(c); _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nA: secret") },
		"half a body": func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsecret")
		},
		"half a chunk": func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nsecret")
		},
		"no end of chunks": func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecret\r\n")
		},
		"endless header": func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nA: "+strings.Repeat("secret", maxHeader))
		},
		"a length that differs": func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := newCaller(t, HTTPConfig{DialContext: pipeTo(serve)}).Call(t.Context(), post)
				// A pipe without a reader takes no byte: then nothing was sent.
				unclear := name != "closed unread"
				if got.Err == nil || got.Err.Category != retry.Network || got.Err.Unclear != unclear {
					t.Fatalf("outcome %+v, want a network error, unclear %v", got.Err, unclear)
				}
				if !strings.HasPrefix(got.Err.Message, "POST api.example.com: ") || strings.Contains(got.Err.Message, "secret") {
					t.Errorf("message %q must name the call and show no payload", got.Err.Message)
				}
				synctest.Wait()
			})
		})
	}
}

// An answer whose status says it all is not waited for beyond its call, and one
// that takes the connection over does not hold the call at all.
func TestRefusalWithoutAnEnd(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]struct {
		code string
		took time.Duration
	}{
		"HTTP/1.1 500 Sorry\r\nContent-Length: 10\r\n\r\nhalf":                {"500", 3 * time.Second},
		"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n":    {"101", 0},
		"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 99999\r\n\r\n": {"302", 3 * time.Second},
	} {
		t.Run(want.code, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, begun := newCaller(t, HTTPConfig{DialContext: pipeTo(func(conn net.Conn) {
					readRequest(conn)
					_, _ = io.WriteString(conn, head)
					_, _ = io.Copy(io.Discard, conn)
				})}), time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				got := h.Call(ctx, post)
				if got.Err == nil || got.Err.Code != want.code || got.Err.Unclear {
					t.Errorf("outcome %+v, want the status %s", got.Err, want.code)
				}
				if took := time.Since(begun); took != want.took {
					t.Errorf("took %s, want %s", took, want.took)
				}
			})
		})
	}
}

// timeout is a net.Error of an operation that took too long.
type timeout struct{ error }

func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestNoConnection(t *testing.T) {
	t.Parallel()
	op := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	for code, err := range map[string]error{
		"dns":             &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.example.com", IsNotFound: true}},
		"refused":         op(syscall.ECONNREFUSED),
		"reset":           op(syscall.ECONNRESET),
		"unreachable":     op(syscall.ENETUNREACH),
		"connect_timeout": timeout{errors.New("secret")},
		"connect":         errors.New("secret"),
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			h := newCaller(t, HTTPConfig{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }})
			got := h.Call(t.Context(), post)
			if got.Err == nil || got.Err.Category != retry.Network || got.Err.Code != code || got.Err.Unclear {
				t.Errorf("outcome %+v, want the clear network error %s", got.Err, code)
			}
			if strings.Contains(got.Err.Message, "secret") {
				t.Errorf("message %q passes a foreign text on", got.Err.Message)
			}
		})
	}
}

func TestRefusedPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"url": "http://" + l.Addr().String()})
	if got.Err == nil || got.Err.Category != retry.Network || got.Err.Code != "refused" || got.Err.Unclear {
		t.Errorf("outcome %+v, want refused", got.Err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, r.Proto)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	trusting := func(c *tls.Config) HTTPConfig { c.RootCAs = roots; return HTTPConfig{TLS: c} }

	got := call(t, newCaller(t, trusting(&tls.Config{})), map[string]any{"url": s.URL, "method": "POST"})
	if got.Err != nil || string(got.Output) != `"HTTP/1.1"` {
		t.Errorf("spoke %s (%v), want HTTP/1.1 with a server that offers HTTP/2", got.Output, got.Err)
	}
	plain := serve(t, answer(200, ""))
	for name, c := range map[string]struct {
		cfg  HTTPConfig
		url  string
		want string
	}{
		"unknown authority": {HTTPConfig{}, s.URL, "not trusted"},
		"other name":        {trusting(&tls.Config{ServerName: "other.example"}), s.URL, "another host name"},
		"expired":           {trusting(&tls.Config{Time: func() time.Time { return noon.AddDate(900, 0, 0) }}), s.URL, "expired"},
		"no TLS there":      {HTTPConfig{}, "https" + strings.TrimPrefix(plain, "http"), "does not speak TLS"},
		"no common version": {trusting(&tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}), s.URL, "handshake failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, newCaller(t, c.cfg), map[string]any{"url": c.url})
			if got.Err == nil || got.Err.Category != retry.Network || got.Err.Code != "tls" || got.Err.Unclear {
				t.Fatalf("outcome %+v, want the clear network error tls", got.Err)
			}
			if !strings.Contains(got.Err.Message, c.want) {
				t.Errorf("message %q, want %q", got.Err.Message, c.want)
			}
		})
	}
}
