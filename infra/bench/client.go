package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// client drives an engine over HTTP, as its users do. It is light: a request
// is written by hand on a connection of its own, since what it takes of the CPU
// is missing where it is measured.
type client struct {
	host     string
	workload string
	idle     chan *connection

	started atomic.Int64
	mu      sync.Mutex
	units   units // of the executions looked at
}

// connection is kept alive from one execution to the next.
type connection struct {
	net.Conn
	in   *bufio.Reader
	out  []byte
	body bytes.Buffer
}

// units are sums over some executions.
type units struct {
	Executions  int
	Write, Read float64
}

// lookEvery is how often an answer is read closely.
const lookEvery = 64

func newClient(base, workload string, clients int) *client {
	return &client{host: strings.TrimPrefix(base, "http://"), workload: workload, idle: make(chan *connection, clients)}
}

// register stores a workflow.
func (c *client) register(ctx context.Context, document []byte) error {
	return c.put(ctx, "/v1/workflows/"+c.workload, document)
}

// put stores something new.
func (c *client) put(ctx context.Context, path string, document []byte) error {
	return c.with(ctx, func(conn *connection) error {
		status, answer, err := conn.send(c.host, "PUT "+path, "", document)
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("PUT %s: %d %s", path, status, answer)
		}
		return err
	})
}

// execute starts an execution and waits for its end.
func (c *client) execute(ctx context.Context) error {
	n := c.started.Add(1)
	start := fmt.Appendf(nil, `{"workflow":"%s","input":{"n":%d}}`, c.workload, n)
	return c.with(ctx, func(conn *connection) error {
		status, answer, err := conn.send(c.host, "POST /v1/executions", "Prefer: wait=25\r\n", start)
		if err != nil {
			return err
		}
		if status != http.StatusOK || !bytes.Contains(answer[:min(len(answer), 256)], []byte(`"status":"succeeded"`)) {
			return fmt.Errorf("an execution of %s: %d %s", c.workload, status, answer[:min(len(answer), 500)])
		}
		if n%lookEvery != 1 {
			return nil
		}
		return c.look(answer)
	})
}

// look notes what the execution cost.
func (c *client) look(answer []byte) error {
	var x struct {
		Cost struct{ WriteUnits, ReadUnits float64 }
	}
	if err := json.Unmarshal(answer, &x); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.units.Executions++
	c.units.Write += x.Cost.WriteUnits
	c.units.Read += x.Cost.ReadUnits
	return nil
}

// with lends a connection.
func (c *client) with(ctx context.Context, use func(*connection) error) error {
	var conn *connection
	select {
	case conn = <-c.idle:
	default:
		var d net.Dialer
		raw, err := d.DialContext(ctx, "tcp", c.host)
		if err != nil {
			return err
		}
		conn = &connection{Conn: raw, in: bufio.NewReaderSize(raw, 16<<10)}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // what waits on it ends
	err := use(conn)
	if !stop() {
		err = errors.Join(err, ctx.Err())
	}
	if err != nil {
		_ = conn.Close() // the first error says it
		return err
	}
	select {
	case c.idle <- conn:
	default:
		_ = conn.Close() // more than there are clients
	}
	return nil
}

// send makes one request. The answer is valid until the next.
func (c *connection) send(host, call, header string, body []byte) (status int, answer []byte, err error) {
	c.out = append(c.out[:0], call...)
	c.out = append(c.out, " HTTP/1.1\r\nHost: "...)
	c.out = append(c.out, host...)
	c.out = append(c.out, "\r\nContent-Type: application/json\r\n"...)
	c.out = append(c.out, header...)
	c.out = append(c.out, "Content-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.Write(c.out); err != nil {
		return 0, nil, err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	c.body.Reset()
	if _, err := io.Copy(&c.body, res.Body); err != nil {
		return 0, nil, err
	}
	return res.StatusCode, c.body.Bytes(), nil
}

// close gives the connections back.
func (c *client) close() {
	for {
		select {
		case conn := <-c.idle:
			_ = conn.Close() // nothing is under way on it
		default:
			return
		}
	}
}
