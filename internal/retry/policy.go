package retry

import (
	"math"
	"math/rand/v2"
	"time"
)

// Policy says how often and when a failed call is made again. The zero Policy
// never retries.
type Policy struct {
	Strategy Strategy
	Attempts int           // all calls together; less than 1 counts as 1
	Initial  time.Duration // the first delay
	Max      time.Duration // the longest delay
	Jitter   Jitter
	On       []Category // retried categories; nil: each category's default
}

// Strategy is how delays grow.
type Strategy string

// The strategies. Exponential doubles the delay each time, Fixed keeps it,
// None never retries.
const (
	Exponential Strategy = "exponential"
	Fixed       Strategy = "fixed"
	None        Strategy = "none"
)

// Jitter is how delays are spread, so that callers that failed together do not
// come back together ("Exponential Backoff And Jitter", AWS Architecture Blog).
type Jitter string

// The jitters of a delay d. Full: uniform in (0, d]. Equal: uniform in
// [d/2, d]. NoJitter: d.
const (
	FullJitter  Jitter = "full"
	EqualJitter Jitter = "equal"
	NoJitter    Jitter = "none"
)

// Bounds of a policy.
const (
	MaxAttempts = 100
	MaxDelay    = 24 * time.Hour
	// MaxRetryAfter bounds what a destination may ask for by Retry-After.
	MaxRetryAfter = time.Hour
)

// The presets. Production is what a step has that says nothing.
var (
	Production  = Policy{Strategy: Exponential, Attempts: 8, Initial: time.Second, Max: 5 * time.Minute, Jitter: FullJitter}
	Development = Policy{Strategy: Fixed, Attempts: 3, Initial: time.Second, Max: time.Second, Jitter: NoJitter}
	Never       = Policy{Strategy: None, Attempts: 1, Jitter: NoJitter}
)

// Next says whether a call whose attempt-th try (1 for the first) failed with
// this category is made again, and after what delay. A destination's
// Retry-After is the least delay, within MaxRetryAfter. A nil r means no
// jitter.
func (p Policy) Next(attempt int, c Category, retryAfter time.Duration, r *rand.Rand) (delay time.Duration, again bool) {
	if p.Strategy == None || p.Strategy == "" || attempt >= p.Attempts || !p.retries(c) {
		return 0, false
	}
	delay = p.spread(p.base(attempt), r)
	return max(delay, min(retryAfter, MaxRetryAfter)), true
}

func (p Policy) retries(c Category) bool {
	if p.On == nil {
		return c.Retried()
	}
	for _, on := range p.On {
		if on == c {
			return true
		}
	}
	return false
}

// base is the delay before jitter, without overflow whatever the attempt.
func (p Policy) base(attempt int) time.Duration {
	limit := min(p.Max, MaxDelay)
	if limit <= 0 {
		limit = MaxDelay
	}
	d := p.Initial
	if p.Strategy == Exponential && attempt > 1 {
		grown := float64(p.Initial) * math.Pow(2, float64(attempt-1))
		if grown >= float64(limit) {
			return limit
		}
		d = time.Duration(grown)
	}
	return min(d, limit)
}

func (p Policy) spread(d time.Duration, r *rand.Rand) time.Duration {
	if r == nil || d <= 1 {
		return d
	}
	switch p.Jitter {
	case FullJitter:
		return 1 + time.Duration(r.Int64N(int64(d)))
	case EqualJitter:
		return d - time.Duration(r.Int64N(int64(d)/2+1))
	}
	return d
}
