package step

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The pair to compare: what a call costs beside net/http's own client doing the
// same POST of 1 KB on a kept connection.

func benchServer(b *testing.B) string {
	return serve(b, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
}

var benchBody = map[string]any{"text": strings.Repeat("x", 1000), "n": 12.0}

func BenchmarkCall(b *testing.B) {
	url := benchServer(b)
	h := newCaller(b, HTTPConfig{})
	c := Call{Key: "ex_1/crm", Traceparent: "00-01-02-01", Request: map[string]any{
		"method": "POST", "url": url, "headers": map[string]any{"X-A": "b"}, "body": benchBody}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if got := h.Call(b.Context(), c); got.Err != nil || len(got.Output) < 1000 {
				b.Error(got.Err)
			}
		}
	})
}

func BenchmarkPlainClient(b *testing.B) {
	url := benchServer(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}}
	b.Cleanup(client.CloseIdleConnections)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			body, err := json.Marshal(benchBody)
			if err != nil {
				b.Error(err)
			}
			req, err := http.NewRequestWithContext(b.Context(), "POST", url, bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Idempotency-Key", "ex_1/crm")
			req.Header.Set("Traceparent", "00-01-02-01")
			req.Header.Set("X-A", "b")
			res, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			if body, err := io.ReadAll(res.Body); err != nil || !json.Valid(body) {
				b.Error(err)
			}
			_ = res.Body.Close()
		}
	})
}
