package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// Levels are the names ParseLevel knows.
const Levels = "debug, info, warn, error"

// ParseLevel reads a level's name in any letter case; "" is info.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level must be one of %s, not %q", Levels, s)
}

// NewLogger writes JSON lines to w: time in UTC, level, msg, then attributes.
// Values of attributes whose names are those of credentials are redacted, at
// any depth of groups.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: replace}))
}

func replace(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 && a.Value.Kind() == slog.KindTime {
		return slog.String(slog.TimeKey, a.Value.Time().UTC().Format(time.RFC3339Nano))
	}
	if a.Value.Kind() != slog.KindGroup && credential(a.Key) {
		return slog.String(a.Key, Redacted)
	}
	return a
}

// Redacted stands in the log where a credential was.
const Redacted = "[redacted]"

// credentials are parts of names, in lower case without - _ and . , that mark a
// credential.
var credentials = []string{
	"authorization", "apikey", "password", "passwd", "secret", "credential",
	"cookie", "signature", "privatekey", "sessiontoken", "accesstoken",
	"refreshtoken", "bearer",
}

var separators = strings.NewReplacer("-", "", "_", "", ".", "")

// credential reports whether a name is that of a credential. The bare "token"
// counts, "tokens" (a number of them) does not.
func credential(name string) bool {
	plain := separators.Replace(strings.ToLower(name))
	if plain == "token" {
		return true
	}
	for _, part := range credentials {
		if strings.Contains(plain, part) {
			return true
		}
	}
	return false
}
