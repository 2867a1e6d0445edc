package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// client drives an engine over HTTP, as its users do.
type client struct {
	http     *http.Client
	base     string
	workload string

	started atomic.Int64
	mu      sync.Mutex
	units   units // of the executions looked at
}

// units are sums over some executions.
type units struct {
	Executions  int
	Write, Read float64
}

// lookEvery is how often an answer is read closely while many clients run:
// they must not take the time they measure.
const lookEvery = 64

func newClient(base, workload string, clients int) *client {
	return &client{base: base, workload: workload, http: &http.Client{
		Transport: &http.Transport{MaxIdleConns: clients, MaxIdleConnsPerHost: clients, DisableCompression: true},
		Timeout:   time.Minute,
	}}
}

// register stores a workflow.
func (c *client) register(ctx context.Context, document []byte) error {
	status, answer, err := c.send(ctx, http.MethodPut, "/v1/workflows/"+c.workload, document)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("register %s: %d %s", c.workload, status, answer)
	}
	return err
}

// execute starts an execution and waits for its end.
func (c *client) execute(ctx context.Context) error {
	n := c.started.Add(1)
	start := fmt.Appendf(nil, `{"workflow":"%s","input":{"n":%d}}`, c.workload, n)
	status, answer, err := c.send(ctx, http.MethodPost, "/v1/executions", start)
	if err != nil {
		return err
	}
	if status != http.StatusOK || !bytes.Contains(answer[:min(len(answer), 256)], []byte(`"status":"succeeded"`)) {
		return fmt.Errorf("an execution of %s: %d %s", c.workload, status, answer[:min(len(answer), 500)])
	}
	if n%lookEvery != 1 {
		return nil
	}
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

func (c *client) send(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if strings.HasSuffix(path, "/executions") {
		req.Header.Set("Prefer", "wait=25")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}
