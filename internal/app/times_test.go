package app

import (
	"strings"
	"testing"
	"time"
)

func TestTimesFromTheEnvironment(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"STEPLINE_SOLO_LEASE": "6.5s", "STEPLINE_MAX_ATTEMPT": "4s"}
	got, err := Times(func(name string) string { return vars[name] })
	if err != nil || got.SoloLease != 6500*time.Millisecond || got.MaxAttempt != 4*time.Second || got.SoloRenew != 0 {
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
