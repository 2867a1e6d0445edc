package record_test

import (
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/record"
)

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	m := record.Message{PK: "acme#ex_1", Run: 3, Epoch: 1 << 40, Hops: 9, Why: record.WhyGuard}
	got, err := record.DecodeMessage(m.Encode())
	if m.V = record.MessageVersion; err != nil || got != m {
		t.Errorf("%+v came back as %+v, %v", m, got, err)
	}
}

func TestWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"":                        "not JSON",
		"null":                    "format version 0",
		"[]":                      "not JSON",
		`{"v":"1"}`:               "not JSON",
		`{"v":2,"x":"acme#ex_1"}`: "format version 2",
		`{"v":1}`:                 "names no execution",
		`{"v":1,"x":"acme#k#ab"}`: "names no execution",
		`{"v":1,"x":"` + strings.Repeat("t", 2048) + `#ex_1"}`: "names no execution",
	} {
		if m, err := record.DecodeMessage([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q = %+v, %v; want an error with %q", body, m, err, want)
		}
	}
}

func FuzzDecodeMessage(f *testing.F) {
	f.Add(record.Message{PK: "acme#ex_1", Why: record.WhyStart}.Encode())
	f.Add([]byte(`{"v":1,"x":"acme#ex_1","e":-1,"n":1e3}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := record.DecodeMessage(body)
		if err != nil {
			return
		}
		if again, err := record.DecodeMessage(m.Encode()); err != nil || again != m {
			t.Fatalf("%q: %+v came back as %+v, %v", body, m, again, err)
		}
	})
}
