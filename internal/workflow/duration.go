package workflow

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var units = []struct {
	name string
	span time.Duration
}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

var errDuration = errors.New(`must be a duration such as "500ms", "90s", "2h" or "1d12h"`)

// ParseDuration reads a duration: numbers with the units d, h, m, s and ms, as
// in "90s" or "1d12h". A day is 24 hours. Negative durations are refused.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" || len(s) > 64 {
		return 0, errDuration
	}
	var total float64
	for rest := s; rest != ""; {
		i := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if i <= 0 {
			return 0, errDuration
		}
		n, err := strconv.ParseFloat(rest[:i], 64)
		if err != nil {
			return 0, errDuration
		}
		rest = rest[i:]
		j := strings.IndexFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' || r == '.' })
		if j < 0 {
			j = len(rest)
		}
		span := unit(rest[:j])
		if span == 0 {
			return 0, errDuration
		}
		if total += n * float64(span); total > math.MaxInt64/2 {
			return 0, errDuration
		}
		rest = rest[j:]
	}
	return time.Duration(math.Round(total)), nil
}

func unit(name string) time.Duration {
	for _, u := range units {
		if u.name == name {
			return u.span
		}
	}
	return 0
}

// FormatDuration writes a duration, to the millisecond, so that ParseDuration
// reads it back: "1d12h", "90s" becomes "1m30s", 0 is "0s".
func FormatDuration(d time.Duration) string {
	d = d.Round(time.Millisecond)
	if d <= 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range units {
		if n := int64(d / u.span); n > 0 {
			b.WriteString(strconv.FormatInt(n, 10))
			b.WriteString(u.name)
			d %= u.span
		}
	}
	return b.String()
}
