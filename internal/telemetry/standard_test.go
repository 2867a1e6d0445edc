package telemetry

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"testing"
)

// The only test of this package that takes package log over, which there is once.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	TakeOver(NewLogger(&out, slog.LevelInfo))
	log.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "s3cr3t\n", nil)
	log.Print("http: TLS handshake error")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || strings.Contains(out.String(), "s3cr3t") {
		t.Fatalf("wrote %q, want two lines without what was quoted", lines)
	}
	for i, want := range []string{
		`"level":"WARN","msg":"Unsolicited response received on idle HTTP channel starting with","bytesLeftOut":20}`,
		`"level":"WARN","msg":"http: TLS handshake error"}`,
	} {
		if !strings.HasPrefix(lines[i], `{"time":`) || !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d is %s, want …%s", i, lines[i], want)
		}
	}
}
