package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// runtimeAPI plays Lambda's runtime API and DynamoDB. A function that asks for
// an event is ready; it gets none.
type runtimeAPI struct {
	addr   string
	ready  chan time.Time
	server *http.Server
}

// description is what DynamoDB says about a table that is as it should be.
const description = `{"Table": {"TableStatus": "ACTIVE",
  "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"},
    {"AttributeName": "hp", "AttributeType": "S"}, {"AttributeName": "qp", "AttributeType": "S"}, {"AttributeName": "qk", "AttributeType": "N"}],
  "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
  "GlobalSecondaryIndexes": [
    {"IndexName": "hist", "IndexStatus": "ACTIVE", "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["wf"]},
     "KeySchema": [{"AttributeName": "hp", "KeyType": "HASH"}, {"AttributeName": "pk", "KeyType": "RANGE"}]},
    {"IndexName": "due", "IndexStatus": "ACTIVE", "Projection": {"ProjectionType": "KEYS_ONLY"},
     "KeySchema": [{"AttributeName": "qp", "KeyType": "HASH"}, {"AttributeName": "qk", "KeyType": "RANGE"}]}]}}`

func listen(ctx context.Context) (*runtimeAPI, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &runtimeAPI{addr: l.Addr().String(), ready: make(chan time.Time)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case a.ready <- time.Now():
		case <-r.Context().Done():
		}
		<-r.Context().Done()
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, description)
	})
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = a.server.Serve(l) }() // ends with close
	return a, nil
}

func (a *runtimeAPI) close() { _ = a.server.Close() }

// start starts a function once and returns how long it took to be ready.
func (a *runtimeAPI) start(ctx context.Context, bootstrap string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var log bytes.Buffer
	c := exec.CommandContext(ctx, bootstrap)
	c.Stdout, c.Stderr = &log, &log
	c.Env = environment(a.addr, bootstrap)
	began := time.Now()
	if err := c.Start(); err != nil {
		return 0, err
	}
	var failed error
	ended := make(chan struct{})
	go func() {
		failed = c.Wait()
		close(ended)
	}()
	select {
	case at := <-a.ready:
		_ = c.Process.Kill()
		<-ended
		return at.Sub(began), nil
	case <-ended:
		if failed == nil {
			failed = errors.New("it ended")
		}
		return 0, fmt.Errorf("not ready: %w: %s", failed, strings.TrimSpace(log.String()))
	}
}

// environment is what Lambda and the template set for a function, with
// everything it calls at one address.
func environment(addr, bootstrap string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "AWS_LAMBDA_RUNTIME_API=" + addr, "_HANDLER=bootstrap", "LAMBDA_TASK_ROOT=" + filepath.Dir(bootstrap), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_ENDPOINT_URL_DYNAMODB=http://" + addr,
		"STEPLINE_TABLE=stepline", "STEPLINE_CALLBACK_KEYS=" + strings.Repeat("0", 64), "STEPLINE_PUBLIC_URL=https://flows.example.com",
	}
	for _, lane := range []string{"HIGH", "NORMAL", "LOW", "SOLO", "DEAD"} {
		env = append(env, "STEPLINE_QUEUE_"+lane+"=http://"+addr+"/000000000000/"+strings.ToLower(lane))
	}
	return env
}
