package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// echo is the called service: it answers with what it is sent.
type echo struct{ server *http.Server }

func beginEcho(ctx context.Context) (*echo, string, error) {
	l, base, err := listen(ctx)
	if err != nil {
		return nil, "", err
	}
	e := &echo{&http.Server{Handler: http.HandlerFunc(answer), ReadHeaderTimeout: time.Minute}}
	go func() { _ = e.server.Serve(l) }() // ends with close
	return e, base, nil
}

func listen(ctx context.Context) (l net.Listener, base string, err error) {
	var lc net.ListenConfig
	if l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, "", err
	}
	return l, "http://" + l.Addr().String(), nil
}

func answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller has gone
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func (*echo) obey(context.Context, order) (reply, error) {
	return reply{}, errors.New("the service takes no orders")
}

func (e *echo) close() error { return e.server.Close() }
