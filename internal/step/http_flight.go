package step

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// Whether a failed request left this machine decides whether its effect may
// have happened, and net/http does not tell. So each connection counts its
// writes, and each request remembers the count it found.

// countedConn counts the writes that put something on a connection.
type countedConn struct {
	net.Conn
	writes atomic.Int64
}

// Write counts before it writes, so that one under way counts too, and takes
// that back once it is certain that not a byte was taken.
func (c *countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	n, err := c.Conn.Write(p)
	if n == 0 && err != nil {
		c.writes.Add(-1)
	}
	return n, err
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func countWrites(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &countedConn{Conn: conn}, nil
	}
}

// flight follows one request to its connection.
type flight struct {
	trace  httptrace.ClientTrace
	conn   *countedConn
	before int64 // the connection's writes when the request got it
	got    bool
	reused bool
}

// watch returns the context to send the request with.
func (f *flight) watch(ctx context.Context) context.Context {
	f.trace.GotConn = f.gotConn
	return httptrace.WithClientTrace(ctx, &f.trace)
}

func (f *flight) gotConn(info httptrace.GotConnInfo) {
	f.got, f.reused = true, info.Reused
	conn := info.Conn
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok { // *tls.Conn
		conn = secure.NetConn()
	}
	if counted, ok := conn.(*countedConn); ok {
		f.conn, f.before = counted, counted.writes.Load()
	}
}

// sent reports whether any byte of the request may have been written. The
// answer is final once RoundTrip has failed: it waits for the writer's end.
func (f *flight) sent() bool {
	return f.got && (f.conn == nil || f.conn.writes.Load() != f.before)
}
