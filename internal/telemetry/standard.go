package telemetry

import (
	"bytes"
	"log"
	"log/slog"
)

// TakeOver makes l write what the standard library says through package log, as
// warnings: a log of JSON lines has no others in it. It counts for the whole
// process, so the program calls it and no package does.
//
// net/http tells there of an answer that nobody asked for, and quotes it. Since
// an answer can hold a secret, what follows the first quotation mark is left
// out.
func TakeOver(l *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(standard{l})
}

type standard struct{ log *slog.Logger }

func (s standard) Write(p []byte) (int, error) {
	said, quoted, cut := bytes.Cut(bytes.TrimSpace(p), []byte{'"'})
	attrs := []any{}
	if cut {
		attrs = append(attrs, slog.Int("bytesLeftOut", len(quoted)))
	}
	s.log.Warn(string(bytes.TrimSpace(said)), attrs...)
	return len(p), nil
}
