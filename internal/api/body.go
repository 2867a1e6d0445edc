package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-926d1ba8/stepline/internal/problem"
)

// Limits of what callers send, in bytes (README, Limits): a start's or retry's
// input, and the body of a webhook, which is what Lambda takes, too.
const (
	MaxInput = 1 << 20
	MaxEvent = 6 << 20
)

// Limits of what else is read, in bytes.
const (
	maxEnvelope = 64 << 10
	maxStart    = MaxInput + maxEnvelope
	maxSmall    = 64 << 10
	maxDocument = 1 << 20 // as sent: comments and indentation included
	maxCallback = 5 << 20
)

// curlType is what curl sends when it is told nothing.
const curlType = "application/x-www-form-urlencoded"

// readBody reads a body of at most limit bytes and refuses a longer one without
// reading it.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, bodyTooLarge(limit)
	}
	limited := http.MaxBytesReader(w, r.Body, limit)
	var b []byte
	var err error
	if r.ContentLength > 0 {
		b = make([]byte, r.ContentLength)
		_, err = io.ReadFull(limited, b)
	} else {
		b, err = io.ReadAll(limited)
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, bodyTooLarge(limit)
	case err != nil:
		return nil, &problem.Error{Code: problem.BadRequest, Detail: "the request body ended before its announced length", Cause: err}
	}
	return b, nil
}

func bodyTooLarge(limit int64) error {
	return problem.New(problem.TooLarge, fmt.Sprintf("the request body must be at most %d bytes", limit))
}

// readJSON reads a JSON body: well-formed and UTF-8. An empty one is nil.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64) (json.RawMessage, error) {
	if err := jsonType(r); err != nil {
		return nil, err
	}
	b, err := readBody(w, r, limit)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	return b, wellFormed(b)
}

// jsonType refuses a body that says to be something else. Curl's default type
// says nothing about the body.
func jsonType(r *http.Request) error {
	if err := uncoded(r); err != nil {
		return err
	}
	t, err := mediaType(r)
	if err == nil && (t == "" || t == "application/json" || t == "text/json" || t == curlType || strings.HasSuffix(t, "+json")) {
		return nil
	}
	return problem.New(problem.Unsupported, "Content-Type must be application/json")
}

// uncoded refuses a compressed body (RFC 9110, 15.5.16): a limit on its size
// would say nothing about what it holds.
func uncoded(r *http.Request) error {
	for _, coding := range r.Header.Values("Content-Encoding") {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
			return problem.New(problem.Unsupported, "Content-Encoding must be absent or identity: compressed bodies are not read")
		}
	}
	return nil
}

// mediaType is the lower-case type without its parameters, "" when none is
// given. Texts in anything but UTF-8 are refused.
func mediaType(r *http.Request) (string, error) {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return "", nil
	}
	t, params, err := mime.ParseMediaType(header)
	if err != nil {
		return "", err
	}
	if cs := strings.ToLower(params["charset"]); !slices.Contains([]string{"", "utf-8", "us-ascii"}, cs) {
		return "", fmt.Errorf("charset %q", cs)
	}
	return t, nil
}

func wellFormed(b []byte) error {
	if !utf8.Valid(b) {
		return problem.New(problem.BadRequest, "the request body must be UTF-8")
	}
	if json.Valid(b) {
		return nil
	}
	var raw json.RawMessage
	var syntax *json.SyntaxError
	err := json.Unmarshal(b, &raw)
	if !errors.As(err, &syntax) {
		return problem.New(problem.BadRequest, "the request body is not JSON")
	}
	line, column := position(b, int(syntax.Offset), strings.HasPrefix(syntax.Error(), "unexpected end"))
	return problem.New(problem.BadRequest,
		fmt.Sprintf("the request body is not JSON: line %d, column %d: %s", line, column, syntax.Error()))
}

// position is where the offending character stands, counted from 1 in lines
// and characters. offset counts the bytes read including it; at the end of the
// body it is the place behind the last one.
func position(b []byte, offset int, atEnd bool) (line, column int) {
	if !atEnd {
		offset--
	}
	before := b[:max(0, min(offset, len(b)))]
	line, column = 1, 1
	for _, c := range string(before) {
		column++
		if c == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}
