package app

import (
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// Times reads the protocol's times from a function's environment, as
// template.yaml sets them. What is absent or empty keeps its default.
func Times(getenv func(string) string) (runner.Times, error) {
	var t runner.Times
	for _, v := range []struct {
		name string
		at   *time.Duration
	}{
		{"STEPLINE_LEASE_GRACE", &t.LeaseGrace},
		{"STEPLINE_SKEW_GRACE", &t.SkewGrace},
		{"STEPLINE_NO_NEW_STEP", &t.NoNewStep},
		{"STEPLINE_MAX_ATTEMPT", &t.MaxAttempt},
		{"STEPLINE_SOLO_LEASE", &t.SoloLease},
		{"STEPLINE_SOLO_RENEW", &t.SoloRenew},
		{"STEPLINE_SOLO_VISIBLE", &t.SoloVisible},
		{"STEPLINE_SWEEP_LAG", &t.SweepLag},
	} {
		s := getenv(v.name)
		if s == "" {
			continue
		}
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return t, fmt.Errorf("%s is %q; a duration such as 45s is expected", v.name, s)
		}
		*v.at = d
	}
	return t, nil
}
