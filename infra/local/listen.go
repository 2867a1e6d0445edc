package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/app/local"
)

// doors are the two addresses the program listens on.
type doors struct{ api, webhooks net.Listener }

func listen(ctx context.Context, c local.Config) (doors, error) {
	var d doors
	var err error
	if d.api, err = open(ctx, "-addr", c.Addr); err != nil {
		return d, err
	}
	if d.webhooks, err = open(ctx, "-webhook-addr", c.WebhookAddr); err != nil {
		d.close()
		return d, err
	}
	return d, nil
}

func open(ctx context.Context, name, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s %s is taken by another program; stop it, or choose another address", name, addr)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s %s: no permission to listen there; choose a port from 1024 on", name, addr)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return nil, fmt.Errorf("%s %s: cannot listen there: %w", name, addr, err)
}

// close is harmless after the servers have closed them.
func (d doors) close() {
	for _, l := range []net.Listener{d.api, d.webhooks} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// base is the URL under which this machine reaches a listener.
func base(l net.Listener) string {
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// guarded keeps web pages of other sites off the API, which has no keys yet.
// The webhook address is not guarded so: its tokens are the authentication, and
// proxies and tunnels reach it under names of their own.
func guarded(h http.Handler, c local.Config, at net.Addr) http.Handler {
	var hosts []string
	if u, err := url.Parse(c.PublicURL); err == nil {
		hosts = append(hosts, u.Hostname())
	}
	if host, _, _ := net.SplitHostPort(c.Addr); host != "" {
		hosts = append(hosts, host)
	}
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		hosts = append(hosts, ownNames()...)
	}
	return api.LocalOnly(h, hosts)
}

// ownNames are this machine's name and addresses.
func ownNames() []string {
	var names []string
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	addrs, _ := net.InterfaceAddrs() // none is an answer too
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			names = append(names, n.IP.String())
		}
	}
	return names
}

// server is an HTTP server on an open listener.
type server struct {
	http     *http.Server
	listener net.Listener
}

func newServer(l net.Listener, h http.Handler, log *slog.Logger) server {
	return server{listener: l, http: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute, // Prefer: wait takes up to 25 s of it
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

func (s server) base() string { return base(s.listener) }

// serve answers until ctx ends, and then what is under way for drain at most,
// without waiting for executions any longer.
func (s server) serve(ctx context.Context, drain time.Duration) error {
	s.http.BaseContext = func(net.Listener) context.Context { return api.WithDrain(context.WithoutCancel(ctx), ctx) }
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		if s.http.Shutdown(end) != nil {
			_ = s.http.Close()
		}
	})
	err := s.http.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) {
		<-closed
		return nil
	}
	stop()
	return err
}
