package app

import (
	"fmt"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// Times reads the protocol's times from a function's environment, as
// template.yaml sets them. What is absent or empty keeps its default. Times that
// contradict each other are refused, in one line that names the variables.
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
	return t, agree(t.WithDefaults())
}

// agree refuses times by which executions get stuck (PROTOCOL 3, Ways to get
// stuck) or the solo lane loses its leases.
func agree(t runner.Times) error {
	switch {
	case t.SoloLease <= t.SoloRenew+t.LeaseGrace:
		return fmt.Errorf("STEPLINE_SOLO_LEASE is %s; it must be more than STEPLINE_SOLO_RENEW (%s) and STEPLINE_LEASE_GRACE (%s) together, or calls are cut off before the lease is renewed",
			t.SoloLease, t.SoloRenew, t.LeaseGrace)
	case t.SoloVisible <= t.SoloLease:
		return fmt.Errorf("STEPLINE_SOLO_VISIBLE is %s; it must be more than STEPLINE_SOLO_LEASE (%s), or a message returns while its lease is held", t.SoloVisible, t.SoloLease)
	}
	return nil
}
