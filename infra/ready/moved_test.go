package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/wiring/wiringtest"
)

// built is the folder of a function that was built as `sam build` does, by the
// template with some of its text replaced.
func built(t *testing.T, function string, edits ...string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := target(t.Context(), "../..", function, dir, "TEMPLATE="+wiringtest.Copy(t, "../../template.yaml", edits...)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// lambda plays the runtime API for one function: it hands out the events, one
// after the other, and gathers the answers.
func lambda(t *testing.T, dir string, events ...string) (answers []string, log string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	handed := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		if handed == len(events) {
			stop()
			return
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint(handed))
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
		_, _ = io.WriteString(w, events[handed])
		handed++
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		answers = append(answers, string(b))
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, description)
	})
	server := httptest.NewServer(mux)
	var out bytes.Buffer
	c := exec.CommandContext(ctx, filepath.Join(dir, "bootstrap"))
	c.Env = environment(strings.TrimPrefix(server.URL, "http://"), c.Path)
	c.Stdout, c.Stderr = &out, &out
	_ = c.Run() // it is killed when it asks for one event too many, or refuses to start
	server.Close()
	return answers, out.String()
}

// event is a request as an HTTP API hands it to a function.
func event(t *testing.T, method, path, route string) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"version": "2.0", "routeKey": method + " " + route, "rawPath": path,
		"requestContext": map[string]any{"stage": "$default", "http": map[string]any{"method": method, "path": path, "sourceIp": "192.0.2.1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestABuiltFunctionFollowsTheTemplate: the binary that is deployed serves its
// calls where the template it was built by puts them.
func TestABuiltFunctionFollowsTheTemplate(t *testing.T) {
	t.Parallel()
	dir := built(t, "status",
		"Method: GET, Path: /v1/health}", "Method: GET, Path: /healthz}",
		"Method: GET, Path: /v1/openapi.json}", "Method: GET, Path: /api/description}")
	answers, log := lambda(t, dir,
		event(t, "GET", "/healthz", "/healthz"), event(t, "GET", "/v1/health", "/v1/health"),
		event(t, "GET", "/api/description", "/api/description"), event(t, "GET", "/v1/schemas/workflow.json", "/v1/schemas/workflow.json"))
	want := []struct {
		status int
		says   string
	}{{http.StatusOK, `"ok"`}, {http.StatusNotFound, "not_found"}, {http.StatusOK, "/healthz"}, {http.StatusOK, "draft/2020-12"}}
	if len(answers) != len(want) {
		t.Fatalf("got %d answers of %d; log: %s", len(answers), len(want), log)
	}
	for i, w := range want {
		var a struct {
			StatusCode int
			Body       string
		}
		if err := json.Unmarshal([]byte(answers[i]), &a); err != nil || a.StatusCode != w.status || !strings.Contains(a.Body, w.says) {
			t.Errorf("event %d: got %d %.300s (%v), want %d with %s", i, a.StatusCode, a.Body, err, w.status, w.says)
		}
	}
	for name, c := range map[string]struct{ content, want string }{
		"no JSON":      {"<routes/>", "routes.json is no list of routes"},
		"cut off":      {`[{"method": "GET", `, "routes.json is no list of routes"},
		"two lists":    {"[] []", "something follows it"},
		"other fields": {`[{"verb": "GET"}]`, `unknown field \"verb\"`},
		"unknown call": {`[{"method": "GET", "path": "/", "operation": "GetWealth", "function": "status", "at": "here"}]`, "routes.json: here is no call of functions/status"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "routes.json"), []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		answers, log := lambda(t, dir, event(t, "GET", "/healthz", "/healthz"))
		if len(answers) > 0 || strings.Count(log, "\n") != 1 || !strings.Contains(log, c.want) {
			t.Errorf("%s: got %v and the log %s, want one line with %s", name, answers, log, c.want)
		}
	}
}
