package retry_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/retry"
)

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// Without jitter each strategy's delays are exactly these; the last entry is
// the attempt after which nothing more is tried.
func TestDelaysByStrategy(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for name, c := range map[string]struct {
		policy retry.Policy
		want   []time.Duration
	}{
		"exponential":          {retry.Policy{Strategy: retry.Exponential, Attempts: 6, Initial: s, Max: 5 * s}, []time.Duration{s, 2 * s, 4 * s, 5 * s, 5 * s}},
		"exponential, one try": {retry.Policy{Strategy: retry.Exponential, Attempts: 1, Initial: s, Max: s}, nil},
		"fixed":                {retry.Policy{Strategy: retry.Fixed, Attempts: 4, Initial: 3 * s, Max: 5 * s}, []time.Duration{3 * s, 3 * s, 3 * s}},
		"fixed over its most":  {retry.Policy{Strategy: retry.Fixed, Attempts: 2, Initial: 9 * s, Max: 5 * s}, []time.Duration{5 * s}},
		"fixed at once":        {retry.Policy{Strategy: retry.Fixed, Attempts: 3}, []time.Duration{0, 0}},
		"no most":              {retry.Policy{Strategy: retry.Exponential, Attempts: 4, Initial: 20 * time.Hour}, []time.Duration{20 * time.Hour, retry.MaxDelay, retry.MaxDelay}},
		"a most beyond all":    {retry.Policy{Strategy: retry.Fixed, Attempts: 2, Initial: 99 * time.Hour, Max: 99 * time.Hour}, []time.Duration{retry.MaxDelay}},
		"none":                 {retry.Policy{Strategy: retry.None, Attempts: 9, Initial: s}, nil},
		"zero":                 {retry.Policy{}, nil},
		"development":          {retry.Development, []time.Duration{s, s}},
		"never":                {retry.Never, nil},
		"production": {retry.Policy{Strategy: retry.Production.Strategy, Attempts: retry.Production.Attempts, Initial: retry.Production.Initial, Max: retry.Production.Max},
			[]time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s}},
	} {
		var got []time.Duration
		for attempt := 1; ; attempt++ {
			d, again := c.policy.Next(attempt, retry.Upstream, 0, nil)
			if !again {
				break
			}
			got = append(got, d)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: delays %v, want %v", name, got, c.want)
		}
	}
}

// What a step that says nothing does (README, Limits).
func TestProductionPreset(t *testing.T) {
	t.Parallel()
	p := retry.Production
	if p.Attempts != 8 || p.Strategy != retry.Exponential || p.Initial != time.Second || p.Max != 5*time.Minute || p.Jitter != retry.FullJitter || p.On != nil {
		t.Errorf("Production = %+v", p)
	}
}

// Each jitter keeps to its range and uses all of it.
func TestJitterSpreadsWithinItsRange(t *testing.T) {
	t.Parallel()
	const d = time.Minute
	for jitter, least := range map[retry.Jitter]time.Duration{retry.FullJitter: 1, retry.EqualJitter: d / 2, retry.NoJitter: d} {
		p := retry.Policy{Strategy: retry.Fixed, Attempts: 2, Initial: d, Max: d, Jitter: jitter}
		r, low, high := random(7), d, time.Duration(0)
		for range 5000 {
			got, _ := p.Next(1, retry.Upstream, 0, r)
			low, high = min(low, got), max(high, got)
		}
		if low < least || high > d {
			t.Errorf("%s: delays from %v to %v, want within %v to %v", jitter, low, high, least, d)
		}
		if span := d - least; low > least+span/100 || high < d-span/100 {
			t.Errorf("%s: delays only from %v to %v of %v to %v", jitter, low, high, least, d)
		}
	}
}

// The same source gives the same delays: a simulation can be run again.
func TestDelaysAreTheSources(t *testing.T) {
	t.Parallel()
	a, b := random(3), random(3)
	for i := range 50 {
		x, _ := retry.Production.Next(1+i%7, retry.Network, 0, a)
		y, _ := retry.Production.Next(1+i%7, retry.Network, 0, b)
		if x != y {
			t.Fatalf("delay %d is %v and %v from the same source", i, x, y)
		}
	}
}

func TestRetryAfterIsTheLeastDelay(t *testing.T) {
	t.Parallel()
	p := retry.Policy{Strategy: retry.Fixed, Attempts: 3, Initial: 10 * time.Second, Max: 20 * time.Second}
	for asked, want := range map[time.Duration]time.Duration{
		0: 10 * time.Second, -time.Hour: 10 * time.Second, 5 * time.Second: 10 * time.Second, 90 * time.Second: 90 * time.Second,
		retry.MaxRetryAfter: retry.MaxRetryAfter, 24 * 365 * time.Hour: retry.MaxRetryAfter,
	} {
		if got, again := p.Next(1, retry.RateLimited, asked, nil); got != want || !again {
			t.Errorf("Retry-After %v: delay %v, %t; want %v", asked, got, again, want)
		}
	}
	if _, again := p.Next(3, retry.RateLimited, time.Second, nil); again {
		t.Error("Retry-After makes an attempt more than allowed")
	}
}

// Whatever the policy, an attempt and a wish: delays stay in their bounds, and
// attempts end.
func TestBoundsHoldForAnyPolicy(t *testing.T) {
	t.Parallel()
	r := random(11)
	for range 20_000 {
		p := retry.Policy{
			Strategy: []retry.Strategy{retry.Exponential, retry.Fixed, retry.None, ""}[r.IntN(4)],
			Jitter:   []retry.Jitter{retry.FullJitter, retry.EqualJitter, retry.NoJitter, ""}[r.IntN(4)],
			Attempts: r.IntN(retry.MaxAttempts + 1), Initial: time.Duration(r.Int64N(int64(48 * time.Hour))), Max: time.Duration(r.Int64N(int64(48 * time.Hour))),
		}
		if r.IntN(3) == 0 {
			p.On = []retry.Category{retry.Categories[r.IntN(len(retry.Categories))]}
		}
		attempt, asked := 1+r.IntN(2000), time.Duration(r.Int64N(int64(3*time.Hour)))
		category := retry.Categories[r.IntN(len(retry.Categories))]
		d, again := p.Next(attempt, category, asked, r)
		most := max(retry.MaxRetryAfter, retry.MaxDelay)
		if p.Max > 0 {
			most = max(min(asked, retry.MaxRetryAfter), min(p.Max, retry.MaxDelay))
		}
		if d < 0 || d > most || (!again && d != 0) {
			t.Fatalf("%+v, attempt %d, %s, Retry-After %v: %v, %t; want at most %v", p, attempt, category, asked, d, again, most)
		}
		if again && (attempt >= p.Attempts || p.Strategy == retry.None) {
			t.Fatalf("%+v: another attempt after %d", p, attempt)
		}
	}
}
