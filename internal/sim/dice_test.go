package sim

import (
	"math/bits"
	"time"
)

// dice is a short stream of random numbers that belongs to one decision. It is
// made from a hash of what the decision is about, so the order in which
// goroutines reach their decisions does not change any of them.
type dice uint64

func mix(h, v uint64) uint64 {
	h ^= v + 0x9e3779b97f4a7c15 + h<<6 + h>>2
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

func mixString(h uint64, s string) uint64 {
	const prime = 1099511628211
	f := uint64(14695981039346656037)
	for i := range len(s) {
		f = (f ^ uint64(s[i])) * prime
	}
	return mix(h, f)
}

func (d *dice) next() uint64 {
	*d = dice(uint64(*d) + 0x9e3779b97f4a7c15)
	return mix(uint64(*d), 0x2545f4914f6cdd1d)
}

// below is a number from 0 to n-1.
func (d *dice) below(n int) int {
	hi, _ := bits.Mul64(d.next(), uint64(n))
	return int(hi)
}

// chance is true with probability p.
func (d *dice) chance(p float64) bool {
	return float64(d.next()>>11)/(1<<53) < p
}

// between is a duration in [lo, hi].
func (d *dice) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(d.below(int(hi-lo)+1))
}

func (d *dice) pick(n ...int) int { return n[d.below(len(n))] }

// source is the random source of one process: what it gives depends on the
// instant and on how many numbers this instant has seen, so that two goroutines
// that draw in the same instant cannot shift what is drawn later.
type source struct {
	w    *world
	salt uint64
	last time.Duration
	n    uint64
}

// Uint64 implements rand.Source. The runner serialises its use.
func (s *source) Uint64() uint64 {
	if now := s.w.since(); now != s.last {
		s.last, s.n = now, 0
	}
	s.n++
	return mix(mix(s.salt, uint64(s.last)), s.n)
}
