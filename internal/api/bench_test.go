package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// BenchmarkStart is what the API itself adds to a start with 1 KB of input.
func BenchmarkStart(b *testing.B) {
	a, err := api.New(api.Config{Engine: instant{}, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	h := a.Handler(api.Execute)
	body := fmt.Sprintf(`{"workflow":"orders","input":{"text":%q}}`, strings.Repeat("x", 1000))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/v1/executions", strings.NewReader(body))
		r.Header.Set("Idempotency-Key", "k")
		w := &discard{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.status != http.StatusAccepted {
			b.Fatalf("status %d", w.status)
		}
	}
}

type instant struct{ api.Engine }

func (instant) Start(_ context.Context, s runner.StartRequest) (runner.Started, error) {
	return runner.Started{ID: someID, Workflow: s.Workflow, Version: 1, Created: noon, Deadline: noon}, nil
}

type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
