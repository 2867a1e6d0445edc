package retry_test

import (
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// Each category's default, and that a policy's own list replaces it.
func TestWhichCategoriesAreRetried(t *testing.T) {
	t.Parallel()
	retried := map[retry.Category]bool{
		retry.Validation: false, retry.Auth: false, retry.NotFound: false, retry.Conflict: false, retry.RateLimited: true,
		retry.Timeout: true, retry.Network: true, retry.Upstream: true, retry.ClientError: false, retry.CircuitOpen: true,
		retry.Unknown: false, retry.Cancelled: false, retry.Crashed: false, retry.Internal: false,
	}
	if len(retry.Categories) != len(retried) {
		t.Errorf("%d categories are listed, want %d", len(retry.Categories), len(retried))
	}
	base := retry.Policy{Strategy: retry.Fixed, Attempts: 2, Initial: time.Second, Max: time.Second}
	for _, c := range retry.Categories {
		want, known := retried[c]
		if _, again := base.Next(1, c, 0, nil); !known || again != want || c.Retried() != want {
			t.Errorf("%s: retried by default %t, want %t", c, again, want)
		}
		for _, on := range retry.Categories {
			p := base
			p.On = []retry.Category{on}
			if _, again := p.Next(1, c, 0, nil); again != (on == c) {
				t.Errorf("on %s: %s retried %t", on, c, again)
			}
		}
	}
	base.On = []retry.Category{}
	if _, again := base.Next(1, retry.Upstream, 0, nil); again {
		t.Error("an empty list retries something")
	}
}

func TestCategoriesOfHTTP(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]retry.Category{
		300: retry.ClientError, 400: retry.ClientError, 401: retry.Auth, 403: retry.Auth, 404: retry.NotFound, 405: retry.ClientError,
		407: retry.Auth, 408: retry.Timeout, 409: retry.Conflict, 410: retry.NotFound, 412: retry.Conflict, 413: retry.ClientError,
		422: retry.ClientError, 425: retry.ClientError, 429: retry.RateLimited, 499: retry.ClientError,
		500: retry.Upstream, 501: retry.Upstream, 502: retry.Upstream, 503: retry.Upstream, 504: retry.Timeout, 529: retry.Upstream, 599: retry.Upstream,
	} {
		if got := retry.FromHTTP(status); got != want {
			t.Errorf("status %d is %s, want %s", status, got, want)
		}
	}
}
