package telemetry

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestLoggerWritesJSONLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	h := NewLogger(&out, slog.LevelInfo).Handler()
	r := slog.NewRecord(time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600)), slog.LevelWarn, "step failed", 0)
	r.AddAttrs(slog.String("step", "crm"), slog.Int("attempt", 2))
	if err := h.Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	const want = `{"time":"2026-03-01T12:00:00Z","level":"WARN","msg":"step failed","step":"crm","attempt":2}` + "\n"
	if out.String() != want {
		t.Errorf("wrote %swant  %s", out.String(), want)
	}
}

func TestLoggerRedactsCredentials(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := NewLogger(&out, slog.LevelInfo).With("Authorization", "Bearer s3cr3t")
	log.WithGroup("request").Info("called",
		"X-Api-Key", "s3cr3t", slog.Group("headers", "Set-Cookie", "s3cr3t", "accept", "json"),
		"token", "s3cr3t", "tokens", 3, "signing.secret", []byte("s3cr3t"))
	if strings.Contains(out.String(), "s3cr3t") || strings.Contains(out.String(), "czNjcjN0") {
		t.Errorf("a secret was written: %s", out.String())
	}
	var line struct {
		Request struct {
			Tokens  int
			Headers struct{ Accept string }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line.Request.Tokens != 3 || line.Request.Headers.Accept != "json" {
		t.Errorf("what is no credential was redacted: %s", out.String())
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]slog.Level{"": slog.LevelInfo, "DEBUG": slog.LevelDebug, "info": slog.LevelInfo, "Warn": slog.LevelWarn, "error": slog.LevelError} {
		got, err := ParseLevel(name)
		if err != nil || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v; want %v", name, got, err, want)
		}
	}
	if _, err := ParseLevel("loud"); err == nil || !strings.Contains(err.Error(), Levels) {
		t.Errorf("ParseLevel(loud) = %v, want an error that lists %s", err, Levels)
	}
	var out bytes.Buffer
	NewLogger(&out, slog.LevelWarn).Info("quiet")
	if out.Len() != 0 {
		t.Errorf("info was written at level warn: %s", out.String())
	}
}
