// Package retry knows why calls fail and when to try again: the error
// categories, a step's retry policy, and backoff with jitter. It is pure: the
// random source is passed in and nothing here reads a clock.
package retry
