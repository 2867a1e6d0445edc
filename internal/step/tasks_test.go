package step_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/step/sfntest"
)

const token = "AQCEAAAAKgAAAAMAAAAAAAAAAT+sample/token="

func TestTaskIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tell func(*clocked) error
		want sfntest.Told
	}{
		"an output": {
			func(c *clocked) error {
				return c.Tasks().Succeed(c.t.Context(), token, json.RawMessage(`{"paid":1.50}`))
			},
			sfntest.Told{Operation: "SendTaskSuccess", Output: `{"paid":1.50}`},
		},
		"none": {
			func(c *clocked) error { return c.Tasks().Succeed(c.t.Context(), token, nil) },
			sfntest.Told{Operation: "SendTaskSuccess", Output: "null"},
		},
		"the largest output": {
			func(c *clocked) error { return c.Tasks().Succeed(c.t.Context(), token, large(262144)) },
			sfntest.Told{Operation: "SendTaskSuccess", Output: string(large(262144))},
		},
		"an output too large": {
			func(c *clocked) error { return c.Tasks().Succeed(c.t.Context(), token, large(262145)) },
			sfntest.Told{
				Operation: "SendTaskFailure", Error: "Stepline.output_too_large",
				Cause: "the execution succeeded, but its output has 262145 bytes and Step Functions takes 262144 at most",
			},
		},
		"an output that is refused": {
			func(c *clocked) error { return c.Tasks().Succeed(c.t.Context(), token, json.RawMessage(`{`)) },
			sfntest.Told{
				Operation: "SendTaskFailure", Error: "Stepline.output_refused",
				Cause: "the execution succeeded, but Step Functions does not take its output for JSON",
			},
		},
		"a failure": {
			func(c *clocked) error {
				return c.Tasks().Fail(c.t.Context(), token, "Stepline.upstream", "503 of shop")
			},
			sfntest.Told{Operation: "SendTaskFailure", Error: "Stepline.upstream", Cause: "503 of shop"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newClocked(t)
			k.fake.OpenTask(token, time.Hour, 0)
			c.want.At = k.at
			if err := c.tell(k); err != nil {
				t.Fatal(err)
			}
			if got := k.fake.Ends(token); len(got) != 1 || got[0] != c.want {
				t.Errorf("told %+v, want %+v", got, c.want)
			}
			if err := c.tell(k); !errors.Is(err, step.ErrTaskOver) {
				t.Errorf("told again: %v, want that it is over", err)
			}
		})
	}
}

// large is a JSON text of so many bytes.
func large(n int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`) }

// Names and causes keep within what Step Functions takes, in whole characters.
func TestTaskFailureIsCut(t *testing.T) {
	t.Parallel()
	k := newClocked(t)
	k.fake.OpenTask(token, time.Hour, 0)
	if err := k.Tasks().Fail(t.Context(), token, strings.Repeat("ü", 300), strings.Repeat("€", 40000)); err != nil {
		t.Fatal(err)
	}
	got := k.fake.Ends(token)[0]
	if e, c := utf8.RuneCountInString(got.Error), utf8.RuneCountInString(got.Cause); e != 256 || c != 32768 || !utf8.ValidString(got.Error+got.Cause) {
		t.Errorf("%d and %d characters, want 256 and 32768", e, c)
	}
}

func TestTaskOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token string
		after func(*clocked)
		over  bool
	}{
		"open":               {token, func(*clocked) {}, false},
		"timed out":          {token, func(c *clocked) { c.at = c.at.Add(61 * time.Minute) }, true},
		"without heartbeats": {token, func(c *clocked) { c.at = c.at.Add(6 * time.Minute) }, true},
		"stopped":            {token, func(c *clocked) { c.fake.CloseTask(token) }, true},
		"not a token":        {"somebody's", func(*clocked) {}, true},
		"too long":           {strings.Repeat("x", 2049), func(*clocked) {}, true},
		"of no activity":     {token, func(c *clocked) { c.fake.Refuse("SendTaskHeartbeat", 400, "TaskDoesNotExist") }, true},
		"throttled":          {token, func(c *clocked) { c.fake.Refuse("SendTaskHeartbeat", 400, "ThrottlingException") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newClocked(t)
			k.fake.OpenTask(token, time.Hour, 5*time.Minute)
			c.after(k)
			err := k.Tasks().Beat(t.Context(), c.token)
			if errors.Is(err, step.ErrTaskOver) != c.over {
				t.Errorf("%v, want that it is over: %t", err, c.over)
			}
			if err != nil && strings.Contains(err.Error(), c.token) {
				t.Errorf("%q shows the token", err)
			}
		})
	}
}

// Heartbeats keep a task waiting.
func TestTaskHeartbeat(t *testing.T) {
	t.Parallel()
	k := newClocked(t)
	k.fake.OpenTask(token, 0, 5*time.Minute)
	for range 10 {
		k.at = k.at.Add(4 * time.Minute)
		if err := k.Tasks().Beat(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Tasks().Succeed(t.Context(), token, nil); err != nil {
		t.Error(err)
	}
}

// What may pass is told apart from what has ended, by category.
func TestTaskTrouble(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct {
		status int
		want   retry.Category
	}{
		"ThrottlingException":   {400, retry.RateLimited},
		"AccessDeniedException": {400, retry.Auth},
		"InternalServerError":   {500, retry.Upstream},
	} {
		k := newClocked(t)
		k.fake.OpenTask(token, time.Hour, 0)
		k.fake.Refuse("SendTaskSuccess", c.status, kind)
		var e *step.Error
		if err := k.Tasks().Succeed(t.Context(), token, nil); !errors.As(err, &e) || e.Category != c.want {
			t.Errorf("%s: %v, want %s", kind, err, c.want)
		}
		if n := len(k.fake.Ends(token)); n != 0 {
			t.Errorf("%s: told %d times", kind, n)
		}
	}
	k := newClocked(t)
	k.fake.OpenTask(token, time.Hour, 0)
	k.fake.Lose("SendTaskFailure")
	if err := k.Tasks().Fail(t.Context(), token, "a", "b"); err == nil || errors.Is(err, step.ErrTaskOver) {
		t.Errorf("a lost answer is %v", err)
	}
	if n := len(k.fake.Ends(token)); n != 1 {
		t.Errorf("told %d times, want once", n)
	}
}
