package record_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// randomStep is a step with any of its fields, absent ones included.
func randomStep(rnd *rand.Rand) *record.Step {
	maybe := func() bool { return rnd.IntN(2) == 0 }
	words := []string{"", "plain", `"quoted" \ <b>`, "tab\tand\nline", "Grüße 🙂", strings.Repeat("long ", 60)}
	word := func() string { return words[rnd.IntN(len(words))] }
	s := &record.Step{
		ID: "step", State: []record.State{record.Open, record.Done, record.Broken, record.Abandoned}[rnd.IntN(4)],
		Count: rnd.Int64N(9), First: rnd.Int64N(3) * 1_700_000_000_000, Owner: "p.1",
	}
	if s.State == record.Open {
		s.Due, s.For = rnd.Int64N(1<<42), record.ForRetry
	}
	if maybe() {
		s.Body.Output, _ = json.Marshal(map[string]any{"text": word(), "n": rnd.IntN(9)})
	}
	if maybe() {
		s.Body.Response, _ = json.Marshal(map[string]any{"status": 200, "headers": map[string]string{"x": word()}})
	}
	if maybe() {
		s.Body.Error = &record.Error{Category: "upstream", Code: word(), Message: word(), Step: word()}
	}
	if maybe() {
		s.Body.Dropped = rnd.IntN(5)
	}
	for i := range rnd.IntN(4) {
		a := record.Attempt{Start: int64(i), End: rnd.Int64N(1 << 42), Outcome: "failed", Message: word()}
		if maybe() {
			a.Category, a.Delay = "timeout", rnd.Int64N(5000)
		}
		s.Body.Attempts = append(s.Body.Attempts, a)
	}
	return s
}

// What is written by hand is what encoding/json reads, and items and `lo` give
// back the step that went in.
func TestStepsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 2000 {
		s := randomStep(rnd)
		key := record.StepKey("acme#ex_1", 2, s.ID)
		got, packed, err := record.DecodeStep(table.Item{Key: key, Attrs: s.Attrs(s.PackBody())}, record.StepPrefix(2))
		if err != nil {
			t.Fatal(err)
		}
		body, err := record.Unpack(packed)
		if err == nil {
			err = got.DecodeBody(body)
		}
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("%+v\ncame back as\n%+v, %v", s, got, err)
		}
		last, err := record.DecodeLast(record.EncodeLast(s))
		want := *s
		want.Owner, want.Due, want.For = "", 0, "" // of open ones, which never ride
		if err != nil || !reflect.DeepEqual(last, &want) {
			t.Fatalf("lo: %+v\ncame back as\n%+v, %v", want, last, err)
		}
	}
}

func TestWhatIsFinal(t *testing.T) {
	t.Parallel()
	var none *record.Step
	if none.Final() || none.Tried() != 0 {
		t.Error("no record has an outcome, or attempts")
	}
	for state, want := range map[record.State]bool{record.Open: false, record.Done: true, record.Broken: true, record.Abandoned: true} {
		if got := (&record.Step{State: state}).Final(); got != want {
			t.Errorf("%q final: %t, want %t", state, got, want)
		}
	}
}

// Old attempts make place for new ones, are still counted, and an earlier view
// of the step keeps its own list.
func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	s := &record.Step{}
	for i := range record.MaxAttemptsKept + 7 {
		before := *s
		s.AddAttempt(record.Attempt{Start: int64(i)})
		before.AddAttempt(record.Attempt{Start: -1})
		if last := s.Body.Attempts[len(s.Body.Attempts)-1]; last.Start != int64(i) {
			t.Fatalf("attempt %d was overwritten by another view: %+v", i, last)
		}
	}
	if n, first := len(s.Body.Attempts), s.Body.Attempts[0].Start; n != record.MaxAttemptsKept || first != 7 || s.Tried() != n+7 {
		t.Errorf("%d attempts kept from %d on, %d tried", n, first, s.Tried())
	}
}

// However a message is made up, an error takes a bounded part of META.
func TestErrorsStayShort(t *testing.T) {
	t.Parallel()
	for name, char := range map[string]string{"letters": "a", "umlauts": "ü", "emoji": "🙂", "quotes": `"`, "angles": "<", "control": "\x01", "not UTF-8": "\xff"} {
		e := &record.Error{Category: "upstream", Code: "503", Message: strings.Repeat(char, 500), Step: strings.Repeat("s", 64)}
		kept := e.Clip()
		if n := len(kept.Message); n > record.MaxErrorMessage || n < record.MaxErrorMessage-8 {
			t.Errorf("%s: a message of %d bytes is kept, want about %d", name, n, record.MaxErrorMessage)
		}
		if utf8.ValidString(e.Message) && !utf8.ValidString(kept.Message) || !strings.HasSuffix(kept.Message, "…") {
			t.Errorf("%s: cut as %q", name, kept.Message)
		}
		if n := len(record.EncodeError(e, record.MaxMeta).Str()); n > record.MaxError {
			t.Errorf("%s: %d bytes in META, want at most %d", name, n, record.MaxError)
		}
		if n := len(record.EncodeError(e, 200).Str()); n > 200 {
			t.Errorf("%s: %d bytes in META where there is room for 200", name, n)
		}
	}
	short := &record.Error{Message: strings.Repeat("é", record.MaxErrorMessage/2)}
	if short.Clip() != short {
		t.Error("a message that fits is cut")
	}
}

// Whatever META holds, reading `lo` ends. What could be read is written and read
// again as the same, but for the words that only we write, which are not escaped.
func FuzzDecodeLast(f *testing.F) {
	rnd := rand.New(rand.NewPCG(4, 4))
	for range 8 {
		f.Add(record.EncodeLast(randomStep(rnd)))
	}
	f.Add([]byte("{}\nj{}"))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, lo []byte) {
		s, err := record.DecodeLast(lo)
		if err != nil {
			return
		}
		for i := range s.Body.Attempts {
			s.Body.Attempts[i].Outcome, s.Body.Attempts[i].Category = "failed", "timeout"
		}
		first := record.EncodeLast(s)
		if s, err = record.DecodeLast(first); err != nil {
			t.Fatalf("%q: written as %q: %v", lo, first, err)
		}
		if second := record.EncodeLast(s); !bytes.Equal(first, second) {
			t.Fatalf("%q: written as %q, then as %q", lo, first, second)
		}
	})
}
