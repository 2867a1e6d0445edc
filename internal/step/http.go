package step

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// MaxResponse is the largest answer of a call, in bytes after decompression.
const MaxResponse = 16 << 20

// HTTPConfig is what an HTTP caller needs. The zero value works; it then
// ignores a Retry-After given as a date, and fails calls that need a secret.
type HTTPConfig struct {
	// Now dates signatures, and a Retry-After that is given as a date; nil:
	// nothing is signed, and such dates count as absent.
	Now func() time.Time
	// Secrets finds what calls authenticate and sign with; nil: nothing.
	Secrets Secrets
	// Refuse says which addresses must not be called; nil: none. It is asked about
	// every one that is connected to, after its name was looked up, redirects
	// included. DialContext does without it.
	Refuse func(netip.AddrPort) bool
	// DialContext opens connections; nil: a net.Dialer that gives up after 10 s.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is used for https; nil: the system's roots.
	TLS *tls.Config
}

// HTTP makes the calls of http steps. It is safe for concurrent use; Close
// drops its idle connections.
type HTTP struct {
	transport *http.Transport
	now       func() time.Time
	secrets   Secrets
}

var _ Caller = (*HTTP)(nil)

// Connection settings, for thousands of short calls to few hosts.
const (
	dialTimeout = 10 * time.Second
	// Node, and so n8n, closes an idle connection after 5 s. A request written
	// at that moment ends unclear, so we let go first.
	idleTimeout    = 4 * time.Second
	idlePerHost    = 512
	idleAltogether = 2048
	maxHeader      = 256 << 10
)

// NewHTTP makes a caller from its configuration.
func NewHTTP(cfg HTTPConfig) *HTTP {
	dial := cfg.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, Control: control(cfg.Refuse)}).DialContext
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true) // HTTP/2 has rules of its own for sending a request again
	return &HTTP{now: cfg.Now, secrets: cfg.Secrets, transport: &http.Transport{
		DialContext:            countWrites(dial),
		TLSClientConfig:        cfg.TLS,
		TLSHandshakeTimeout:    dialTimeout,
		Protocols:              &protocols,
		DisableCompression:     true, // asked for by a document or not at all
		MaxIdleConns:           idleAltogether,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
	}}
}

// errRefused is a connection to an address that must not be called.
var errRefused = errors.New("step: this address must not be called")

// control looks at each address before it is connected to; nil where all may be.
func control(refuse func(netip.AddrPort) bool) func(network, address string, c syscall.RawConn) error {
	if refuse == nil {
		return nil
	}
	return func(_, address string, _ syscall.RawConn) error {
		if to, err := netip.ParseAddrPort(address); err != nil || refuse(netip.AddrPortFrom(to.Addr().Unmap(), to.Port())) {
			return errRefused
		}
		return nil
	}
}

// Close drops the idle connections; calls under way are left alone.
func (h *HTTP) Close() { h.transport.CloseIdleConnections() }

// Call makes one attempt. c.Request is an object with url (absolute, http or
// https), method (default GET), headers, query (a list repeats its parameter)
// and body; the package documentation says how bodies are written and read.
//
// Added headers: Idempotency-Key and traceparent, which win over a document's
// own when c names them, and User-Agent, which does not. What c.Auth and c.Sign
// ask for is found and added now, last, and goes to no other origin.
//
// A status from 200 to 299 succeeds; any other fails with the status as code
// and the response beside it. A GET or HEAD without a body follows at most five
// redirects; of any other call a redirect is its failed outcome.
func (h *HTTP) Call(ctx context.Context, c Call) Result {
	req, fault := newRequest(c)
	if fault == nil {
		fault = h.prove(ctx, req, c)
	}
	if fault != nil {
		return Result{Err: fault}
	}
	for hops := 0; ; hops++ {
		res, fault := h.send(ctx, req) //nolint:bodyclose // each way on closes it: discard here, result at the end
		if fault != nil {
			return Result{Err: fault}
		}
		next, fault := req.follow(res, hops)
		if fault != nil {
			discard(res.Body)
			return Result{Response: seen(res), Err: fault}
		}
		if next == nil {
			return h.result(ctx, req, res)
		}
		discard(res.Body)
		req = next
	}
}

// maxStale bounds how many dead idle connections a call steps over.
const maxStale = 8

// send makes the request and returns its answer with the body unread.
//
// The request is written at most once. An idle connection that turns out to be
// dead before the first byte is written is stepped over, since nothing was
// sent; the Transport itself does not, because the body is not nil.
func (h *HTTP) send(ctx context.Context, req *request) (*http.Response, *Error) {
	for stale := 0; ; stale++ {
		var f flight
		res, err := h.transport.RoundTrip(req.outgoing(f.watch(ctx)))
		if err == nil {
			return res, nil
		}
		if f.reused && !f.sent() && ctx.Err() == nil && stale < maxStale {
			continue
		}
		return nil, failure(ctx, req, err, f.sent())
	}
}
