package step

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newCaller is a caller whose clock stands at noon.
func newCaller(t testing.TB, cfg HTTPConfig) *HTTP {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return noon }
	}
	h := NewHTTP(cfg)
	t.Cleanup(h.Close)
	return h
}

func serve(t testing.TB, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

// call makes one call with the key "ex_1/crm".
func call(t testing.TB, h *HTTP, request map[string]any) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // ends a test that hangs
	defer cancel()
	return h.Call(ctx, Call{Request: request, Key: "ex_1/crm", Traceparent: "00-01-02-01", Attempt: 1})
}
