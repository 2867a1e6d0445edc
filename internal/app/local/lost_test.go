package local

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// TestNothingIsAcknowledgedWithoutItsDataFolder: starts are refused once the
// folder is gone, health says so, and so does one line of the log.
func TestNothingIsAcknowledgedWithoutItsDataFolder(t *testing.T) {
	t.Parallel()
	w, err := wiring.Read(template)
	if err != nil {
		t.Fatal(err)
	}
	var later atomic.Int64
	var log bytes.Buffer
	c := Config{Data: filepath.Join(t.TempDir(), "data"), PublicURL: "http://127.0.0.1:3001"}.WithDefaults()
	m, err := Open(c, w, func() time.Time { return time.Now().Add(time.Duration(later.Load())) }, env(nil), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string, want int) {
		t.Helper()
		rec := httptest.NewRecorder()
		m.API().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		if rec.Code != want {
			t.Errorf("%s %s: got %d %s, want %d", method, path, rec.Code, rec.Body, want)
		}
	}
	call(http.MethodPut, "/v1/workflows/one", `{"name": "one", "steps": [{"id": "a", "type": "transform", "output": 1}]}`, http.StatusCreated)
	call(http.MethodPost, "/v1/executions", `{"workflow": "one"}`, http.StatusAccepted)
	if err := os.RemoveAll(c.Data); err != nil {
		t.Fatal(err)
	}
	later.Add(int64(time.Minute))
	for range 3 {
		call(http.MethodPost, "/v1/executions", `{"workflow": "one"}`, http.StatusServiceUnavailable)
	}
	call(http.MethodGet, "/v1/health", "", http.StatusServiceUnavailable)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "the data folder was deleted, moved or replaced while the program runs"); n != 1 {
		t.Errorf("%d lines about it, want 1:\n%s", n, log.String())
	}
}
