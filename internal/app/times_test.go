package app

import (
	"strings"
	"testing"
	"time"
)

func TestTimesFromTheEnvironment(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"STEPLINE_SOLO_LEASE": "65.5s", "STEPLINE_MAX_ATTEMPT": "4s"}
	got, err := Times(func(name string) string { return vars[name] })
	if err != nil || got.SoloLease != 65500*time.Millisecond || got.MaxAttempt != 4*time.Second || got.SoloRenew != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, wrong := range []string{"65", "-1s", "0s", "soon"} {
		_, err := Times(func(name string) string {
			if name == "STEPLINE_SOLO_RENEW" {
				return wrong
			}
			return ""
		})
		if err == nil || !strings.Contains(err.Error(), "STEPLINE_SOLO_RENEW") {
			t.Errorf("%q: got %v, want an error that names the variable", wrong, err)
		}
	}
}

// TestTimesThatContradictEachOther: each alone is a duration, with the defaults
// of the others or with what they are set to.
func TestTimesThatContradictEachOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		vars  map[string]string
		names []string // in the error; none: they agree
	}{
		{map[string]string{"STEPLINE_SOLO_VISIBLE": "66s"}, nil},
		{map[string]string{"STEPLINE_SOLO_VISIBLE": "65s"}, []string{"STEPLINE_SOLO_VISIBLE is 1m5s", "STEPLINE_SOLO_LEASE"}},
		{map[string]string{"STEPLINE_SOLO_LEASE": "2m"}, []string{"STEPLINE_SOLO_VISIBLE", "STEPLINE_SOLO_LEASE (2m0s)"}},
		{map[string]string{"STEPLINE_SOLO_LEASE": "10s", "STEPLINE_SOLO_RENEW": "30s"}, []string{"STEPLINE_SOLO_LEASE is 10s", "STEPLINE_SOLO_RENEW (30s)"}},
		{map[string]string{"STEPLINE_SOLO_RENEW": "59s"}, nil},
		{map[string]string{"STEPLINE_SOLO_RENEW": "1m"}, []string{"STEPLINE_SOLO_LEASE", "STEPLINE_SOLO_RENEW (1m0s)", "STEPLINE_LEASE_GRACE (5s)"}},
		{map[string]string{"STEPLINE_LEASE_GRACE": "35s"}, []string{"STEPLINE_SOLO_LEASE", "STEPLINE_LEASE_GRACE (35s)"}},
	} {
		_, err := Times(func(name string) string { return c.vars[name] })
		if (err == nil) != (c.names == nil) {
			t.Errorf("%v: %v", c.vars, err)
			continue
		}
		for _, name := range c.names {
			if !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v: %v, want one line with %q", c.vars, err, name)
			}
		}
	}
}

func TestOnlyKnownFunctionsHaveHandlers(t *testing.T) {
	t.Parallel()
	s := &Services{}
	if _, err := s.Messages("status"); err == nil {
		t.Error("functions/status must not take messages")
	}
	if _, err := s.Scheduled("worker"); err == nil {
		t.Error("functions/worker must not be called by a schedule")
	}
}
