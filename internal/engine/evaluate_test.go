package engine_test

import (
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/engine"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// A stored value that does not decode fails what needs it, as our own fault and
// never as null; what does not need it goes on.
func TestUnreadableValues(t *testing.T) {
	t.Parallel()
	beyond := []*record.Step{done("a", `{"id":7,"n":1e999}`)}
	transform := func(more string) string {
		return call("a") + "\n" + `{"id":"b","type":"transform",` + more + `}`
	}
	answered := done("a", `7`)
	answered.Body.Response = []byte(`{"status":`)
	checkAll(t, map[string]decision{
		"a transform fails":     {steps: transform(`"output":"{{ steps.a.output.id }}"`), recs: beyond, want: []string{"finish failed internal:b"}},
		"a condition fails":     {steps: transform(`"when":"steps.a.output == nil","output":1`), recs: beyond, want: []string{"finish failed internal:b"}},
		"a request fails":       {steps: call("a") + "\n" + `{"id":"b","type":"http","request":{"url":"http://x","body":"{{ steps.a.output }}"}}`, recs: beyond, want: []string{"write b/1 failed internal"}},
		"a wait fails":          {steps: call("a") + "\n" + `{"id":"b","type":"wait","duration":"{{ steps.a.output.d }}"}`, recs: beyond, want: []string{"write b/1 failed internal"}},
		"an output fails":       {steps: call("a"), output: `"{{ steps.a.output.id }}"`, recs: beyond, want: []string{"finish failed internal:"}},
		"the status needs it":   {steps: call("a"), output: `"{{ steps.a.status }}"`, recs: beyond, want: []string{"finish failed internal:"}},
		"so does the response":  {steps: call("a"), output: `"{{ steps.a.output }}"`, recs: []*record.Step{answered}, want: []string{"finish failed internal:"}},
		"what reads none is on": {steps: transform(`"output":"{{ input.n }}"`), output: `"{{ steps.b.output }}"`, recs: beyond, want: []string{"finish succeeded 7"}},
	})
}

// The error names the step whose value it is and what is wrong, and quotes none
// of it.
func TestUnreadableValuesAreNamed(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		`1e999`: "b.output: the stored output of step a cannot be read: a number is too large",
		strings.Repeat("[", 250) + strings.Repeat("]", 250): "b.output: the stored output of step a cannot be read: values may nest 200 deep at most",
		`{"secret"`: "b.output: the stored output of step a cannot be read: it is not JSON",
	} {
		doc := parse(t, call("a")+"\n"+`{"id":"b","type":"transform","output":"{{ steps.a.output }}"}`)
		var got *engine.Finish
		if got = machine(doc, done("a", stored)).Decide(view()).Finish; got == nil || got.Error == nil {
			t.Fatalf("%.20s: %+v, want a failure", stored, got)
		}
		if got.Error.Message != want || got.Error.Code != "stored_value" {
			t.Errorf("%.20s: %+v, want %q", stored, got.Error, want)
		}
	}
}
