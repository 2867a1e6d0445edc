package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
)

const maxKey = 255

// idempotencyKey is the caller's key, "" when there is none. The key may stand
// bare or as a structured-field string in quotes; both mean the same key.
func idempotencyKey(h http.Header) (string, error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key, ok := strings.TrimSpace(values[0]), len(values) == 1
	if strings.HasPrefix(key, `"`) {
		key, ok = unquote(key, ok)
	}
	for i := range len(key) {
		ok = ok && key[i] > ' ' && key[i] < 0x7f
	}
	if !ok || key == "" || len(key) > maxKey {
		return "", problem.New(problem.BadRequest,
			"header Idempotency-Key must be given once: 1 to 255 visible ASCII characters, with or without quotes around them")
	}
	return key, nil
}

// unquote reads a structured-field string (RFC 9651): only " and \ are escaped.
func unquote(s string, ok bool) (string, bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), ok && i == len(s)-1
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		default:
			return "", false
		}
	}
	return "", false
}

// maxWait is the longest that a start waits for the end: below what stands
// between a caller and us cuts off (API Gateway: 30 s).
const maxWait = 25 * time.Second

// preferredWait is the wait of `Prefer: wait=N` (RFC 7240), at most maxWait;
// ok is false when none is asked for. A preference that is not understood is
// ignored, as the RFC wants.
func preferredWait(h http.Header) (wait time.Duration, ok bool) {
	for _, line := range h.Values("Prefer") {
		for part, more := "", true; more; {
			part, line, more = cut(line, ',')
			part, _, _ = cut(part, ';')
			name, value, _ := strings.Cut(part, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			return waitOf(strings.TrimSpace(value)) // the first one counts
		}
	}
	return 0, false
}

func waitOf(value string) (time.Duration, bool) {
	if strings.HasPrefix(value, `"`) {
		value, _ = unquote(value, true) // "" is no number
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return time.Duration(min(n, uint64(maxWait/time.Second))) * time.Second, true
}

// cut is strings.Cut, but a separator inside a quoted string is none.
func cut(s string, separator byte) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case quoted && s[i] == '\\':
			i++
		case !quoted && s[i] == separator:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// tagMatches reports whether If-None-Match names the tag.
func tagMatches(h http.Header, tag string) bool {
	for _, line := range h.Values("If-None-Match") {
		for part := range strings.SplitSeq(line, ",") {
			part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
			if part == tag || part == "*" {
				return true
			}
		}
	}
	return false
}
