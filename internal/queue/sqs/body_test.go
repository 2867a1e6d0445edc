package sqs

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what SQS answers with
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func md5Of(s string) string {
	sum := md5.Sum([]byte(s)) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

// What is JSON travels as it is, and whatever is sent arrives.
func FuzzBody(f *testing.F) {
	for _, s := range []string{`{"v":1,"x":"t#ex"}`, "a\x00b", "", mark, mark + "AAAA", "\xff", "\ufffe", "tab\tand\nline"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sent, err := Encode(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range sent {
			if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF || r == utf8.RuneError && !bytes.Contains(body, []byte("\uFFFD")) {
				t.Errorf("%q travels as %q, which SQS refuses", body, sent)
			}
		}
		if got := Decode(sent); !bytes.Equal(got, body) {
			t.Errorf("%q arrives as %q", body, got)
		}
	})
}

func TestBodies(t *testing.T) {
	t.Parallel()
	if s, err := Encode([]byte(`{"v":1,"x":"t#é"}`)); err != nil || s != `{"v":1,"x":"t#é"}` {
		t.Errorf("JSON travels as %q, %v", s, err)
	}
	noise := make([]byte, 900<<10)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	if _, err := Encode(noise); err == nil || !strings.Contains(err.Error(), "1048576") {
		t.Errorf("900 KB of noise: %v", err)
	}
	for _, foreign := range []string{mark + "*", mark + "AAAA", mark} {
		if body := Decode(foreign); string(body) != foreign {
			t.Errorf("%q, which nobody has encoded, is read as %q", foreign, body)
		}
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	for group, kept := range map[string]bool{
		"default": true, "acme-eu_1.x": true, "with space": false, "ümlaut": false,
		strings.Repeat("g", 128): true, strings.Repeat("g", 129): false, "new\nline": false,
	} {
		id := groupID(group)
		if (id == group) != kept || len(id) > maxGroup || strings.ContainsAny(id, " \n") {
			t.Errorf("%q travels as %q", group, id)
		}
	}
	if groupID("with space") == groupID("with  space") {
		t.Error("two groups became one")
	}
}
