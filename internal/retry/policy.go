package retry

import "time"

// Policy says how often and when a failed call is made again.
type Policy struct {
	Strategy Strategy
	Attempts int           // all calls together, at least 1
	Initial  time.Duration // the first delay
	Max      time.Duration // the longest delay
	Jitter   Jitter
	On       []Category // retried categories; nil: each category's default
}

// Strategy is how delays grow.
type Strategy string

// Jitter is how delays are spread.
type Jitter string
