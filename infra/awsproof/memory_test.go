//go:build aws

package awsproof

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// largest are answers of nearly 5 MB, the most that a value may have: one that
// hardly packs, and one of very many small parts.
func largest(t *testing.T) map[string]string {
	t.Helper()
	raw := make([]byte, 3_600_000)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"noise": `{"ok":true,"v":"` + base64.StdEncoding.EncodeToString(raw) + `"}`,
		"parts": `{"ok":true,"v":[` + strings.Repeat(`{"id":123,"name":"abc","price":1.5},`, 130_000) + `1]}`,
	}
}

var peak = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// A full batch of executions that work on the largest values stays within the
// memory that the template gives the worker for batches of that size.
func TestLargestValuesFitTheMemory(t *testing.T) {
	bin := build(t, tree)
	for what, answer := range largest(t) {
		for _, batch := range []int{1, queue.MaxBatch} {
			t.Run(fmt.Sprintf("%s, batch %d", what, batch), func(t *testing.T) {
				template, err := wiring.ReadWith(filepath.Join(tree, "template.yaml"), map[string]string{"BatchSize": strconv.Itoa(batch)})
				if err != nil {
					t.Fatal(err)
				}
				memory := template.Lanes[queue.Normal].Memory
				service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, answer)
				}))
				t.Cleanup(service.Close)
				w := newWorld(t)
				w.env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = strconv.Itoa(memory)
				for name := range times {
					delete(w.env, name) // the protocol's own: these calls take their time
				}
				w.register(calledtest.Five("five", service.URL, ", attemptTimeout: 30s"))
				ids := w.start(batch, "five")
				worker := w.worker(bin, "-lanes", "normal", "-batch", strconv.Itoa(batch), "-invocations", "1", "-timeout", "60s")
				if ends := w.ends(ids, time.Minute); ends[record.Succeeded] != batch {
					t.Fatalf("%v\n%s", ends, &worker.log)
				}
				status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", worker.cmd.Process.Pid))
				if err != nil {
					t.Fatal(err)
				}
				kb, err := strconv.Atoi(peak.FindStringSubmatch(string(status))[1])
				if err != nil || kb > memory<<10 {
					t.Errorf("the worker took %d MB at most (%v), and has %d", kb>>10, err, memory)
				}
				t.Logf("%d MB at most, of %d", kb>>10, memory)
			})
		}
	}
}
