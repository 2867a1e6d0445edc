package telemetry

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const execution = "ex_01J00000000000000000000001"

var wellFormed = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`)

func TestTraceparent(t *testing.T) {
	t.Parallel()
	// Fixed for good: a worker of another version must make the same one.
	const want = "00-01900000000000000000000000000001-105c622df8bd3243-01"
	if got := Traceparent(execution, "crm", 1); got != want {
		t.Errorf("Traceparent = %s, want %s", got, want)
	}
}

func TestTraceparentTellsAttemptsApart(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, ex := range []string{execution, "ex_01J00000000000000000000002", "other", "ex_", ""} {
		for _, step := range []string{"crm", "crm/1", "a", ""} {
			for attempt := range 3 {
				header, of := Traceparent(ex, step, attempt), ex+" "+step+" "+strconv.Itoa(attempt)
				if !wellFormed.MatchString(header) || strings.Contains(header, "-"+strings.Repeat("0", 32)) {
					t.Errorf("%q is not a valid traceparent", header)
				}
				if !strings.HasPrefix(header, "00-"+TraceID(ex)+"-") {
					t.Errorf("%s is not in the trace %s of its execution", header, TraceID(ex))
				}
				if other, twice := seen[header]; twice {
					t.Errorf("%s for both %q and %q", header, other, of)
				}
				seen[header] = of
			}
		}
	}
}

func TestZeroULIDIsNoTrace(t *testing.T) {
	t.Parallel()
	if got := TraceID("ex_" + strings.Repeat("0", 26)); got == strings.Repeat("0", 32) {
		t.Error("all zeros is not a valid trace id")
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add(execution, "crm", 1)
	f.Fuzz(func(t *testing.T, ex, step string, attempt int) {
		if got := Traceparent(ex, step, attempt); !wellFormed.MatchString(got) {
			t.Errorf("%q", got)
		}
	})
}
