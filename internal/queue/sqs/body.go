package sqs

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// mark begins a body that is not the text it looks like.
const mark = "stepline:deflate:"

// Encode is a body as it travels through SQS.
func Encode(body []byte) (string, error) {
	if len(body) > maxBody {
		return "", fmt.Errorf("queue: a body has at most %d bytes, not %d", maxBody, len(body))
	}
	if text := string(body); travels(text) {
		return text, nil
	}
	var b strings.Builder
	b.WriteString(mark)
	to64 := base64.NewEncoder(base64.StdEncoding, &b)
	deflate, err := flate.NewWriter(to64, flate.DefaultCompression)
	if err != nil {
		return "", err
	}
	_, err = deflate.Write(body)
	if err = errors.Join(err, deflate.Close(), to64.Close()); err != nil {
		return "", err
	}
	if b.Len() > maxBody {
		return "", fmt.Errorf("queue: a body of %d bytes that are no text takes %d in SQS, and %d is the most", len(body), b.Len(), maxBody)
	}
	return b.String(), nil
}

// travels reports whether SQS delivers a text as it is: the characters of XML
// 1.0, and not what looks like an encoded one.
func travels(s string) bool {
	if strings.HasPrefix(s, mark) || !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFE' || r == '\uFFFF'
	})
}

// Decode is the body that was sent. One that Encode has not made is itself, also
// where it looks like one that it has: somebody else has sent it, and whoever is
// to make sense of it gets what came.
func Decode(s string) []byte {
	coded, ok := strings.CutPrefix(s, mark)
	if !ok {
		return []byte(s)
	}
	inflate := flate.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(coded)))
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(inflate, maxBody+1)); err != nil || b.Len() > maxBody {
		return []byte(s)
	}
	return b.Bytes()
}

// Decoded is a handler for deliveries as they come from SQS, by whoever polls it.
func Decoded(h queue.Handler) queue.Handler {
	return func(ctx context.Context, ds []queue.Delivery) []string {
		ds = slices.Clone(ds)
		for i := range ds {
			ds[i].Body = Decode(string(ds[i].Body))
		}
		return h(ctx, ds)
	}
}

// maxGroup is the longest MessageGroupId.
const maxGroup = 128

// groupID is a group as SQS takes it.
func groupID(group string) string {
	legal := len(group) <= maxGroup && !strings.ContainsFunc(group, func(r rune) bool { return r <= ' ' || r > '~' })
	if legal {
		return group
	}
	sum := sha256.Sum256([]byte(group))
	return hex.EncodeToString(sum[:])
}
