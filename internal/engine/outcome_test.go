package engine_test

import (
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/engine"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

func broke(category string) engine.Result {
	return engine.Result{Start: now, End: now + second, Err: &record.Error{Category: category, Message: "no"}}
}

// What an attempt leads to.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	fixed := func(more string) string {
		return call("a", `,"retry":{"strategy":"fixed","attempts":3,"initial":"5s","max":"5s","jitter":"none"}`+more)
	}
	unclear := broke("timeout")
	unclear.Unclear = true
	asked := broke("rate_limited")
	asked.RetryAfter = time.Minute
	tried := func(n int) *record.Step {
		s := open("a", record.ForRetry, now)
		for s.Count = int64(n); s.Tried() < n; {
			s.AddAttempt(record.Attempt{Outcome: "failed"})
		}
		return s
	}
	const callback = `{"id":"a","type":"callback","timeout":"1m","request":{"url":"http://x"}}`
	for name, c := range map[string]struct {
		steps  string
		before *record.Step
		result engine.Result
		want   string
		last   record.Attempt
	}{
		"success":                         {fixed(""), nil, engine.Result{Start: now, End: now + 3, Output: []byte("5")}, "a/1 done 5", record.Attempt{Start: now, End: now + 3, Outcome: "succeeded"}},
		"success after a retry":           {fixed(""), tried(1), engine.Result{Start: now, End: now, Output: []byte("5")}, "a/2 done 5", record.Attempt{Start: now, End: now, Outcome: "succeeded"}},
		"a failure is retried":            {fixed(""), nil, broke("upstream"), "a/1 open for retry until +6s upstream", record.Attempt{Start: now, End: now + second, Outcome: "failed", Category: "upstream", Message: "no", Delay: 5000}},
		"the last attempt":                {fixed(""), tried(2), broke("upstream"), "a/3 failed upstream", record.Attempt{Start: now, End: now + second, Outcome: "failed", Category: "upstream", Message: "no"}},
		"a category that is not retried":  {fixed(""), nil, broke("auth"), "a/1 failed auth", record.Attempt{Start: now, End: now + second, Outcome: "failed", Category: "auth", Message: "no"}},
		"Retry-After":                     {fixed(""), nil, asked, "a/1 open for retry until +1m1s rate_limited", record.Attempt{Start: now, End: now + second, Outcome: "failed", Category: "rate_limited", Message: "no", Delay: 60_000}},
		"no retry beyond the step's time": {fixed(`,"timeout":"6s","attemptTimeout":"1s"`), nil, broke("upstream"), "a/1 failed upstream", record.Attempt{Start: now, End: now + second, Outcome: "failed", Category: "upstream", Message: "no"}},
		"an unclear end is retried":       {fixed(""), nil, unclear, "a/1 open for retry until +6s timeout", record.Attempt{Start: now, End: now + second, Outcome: "failed", Category: "timeout", Message: "no", Delay: 5000}},
		"unless it may not be repeated":   {fixed(`,"idempotent":false`), nil, unclear, "a/1 open for unknown until never unknown", record.Attempt{Start: now, End: now + second, Outcome: "failed", Category: "timeout", Message: "no"}},
		"cut by a cancel":                 {fixed(""), nil, broke("cancelled"), "a/1 cancelled cancelled", record.Attempt{Start: now, End: now + second, Outcome: "cancelled", Category: "cancelled", Message: "no"}},
		"a callback is announced":         {callback, nil, engine.Result{Start: now, End: now}, "a/1 open for callback until +1m0s", record.Attempt{Start: now, End: now, Outcome: "succeeded"}},
		"its time counts from the first":  {callback, tried(1), engine.Result{Start: now, End: now}, "a/2 open for callback until +59s", record.Attempt{Start: now, End: now, Outcome: "succeeded"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := parse(t, c.steps)
			m := machine(doc)
			if c.before != nil {
				m.Apply(c.before)
			}
			p := m.Decide(view())
			if len(p.Calls) != 1 {
				t.Fatalf("no call: %v", tell(p))
			}
			got := m.Outcome(p.Calls[0], c.result, nil)
			if tellStep(got) != c.want {
				t.Errorf("%s, want %s", tellStep(got), c.want)
			}
			if last := got.Body.Attempts[len(got.Body.Attempts)-1]; last != c.last || got.Tried() != c.before.Tried()+1 {
				t.Errorf("attempt %+v (%d tried), want %+v", last, got.Tried(), c.last)
			}
			if c.before != nil && got.First != c.before.First || c.before == nil && got.First != now {
				t.Errorf("begun at %s", rel(got.First))
			}
		})
	}
}

// A callback's request can name its address and token, which no other can.
func TestACallbackKnowsItsAddress(t *testing.T) {
	t.Parallel()
	doc := parse(t, `{"id":"a","type":"callback","request":{"url":"http://x","body":"{{ callback.url }} {{ callback.token }}"}}`)
	p := machine(doc).Decide(view())
	if body := p.Calls[0].Request.(map[string]any)["body"]; body != "http://cb/a token-a" {
		t.Errorf("body %q", body)
	}
}

// What failed is readable where a step goes on all the same, what was answered
// beside its output.
func TestResultsAreReadable(t *testing.T) {
	t.Parallel()
	doc := parse(t, call("a")+"\n"+`{"id":"b","type":"transform","output":["{{ steps.a.response.status }}","{{ steps.a.output.x }}","{{ steps.a.error }}","{{ execution.id }}"]}`,
		`,"output":"{{ steps.b.output }}"`)
	m := machine(doc)
	p := m.Decide(view())
	m.Apply(m.Outcome(p.Calls[0], engine.Result{Start: now, End: now, Output: []byte(`{"x":"y"}`), Response: []byte(`{"status":201}`)}, nil))
	wantPlan(t, m.Decide(view()), `finish succeeded [201,"y",null,"ex_1"]`)
}

// An outcome that won against ours replaces what was derived from it.
func TestForgetting(t *testing.T) {
	t.Parallel()
	doc := parse(t, call("a")+"\n"+`{"id":"b","type":"transform","output":"{{ steps.a.output }}"}`+"\n"+call("c"), `,"output":"{{ steps.b.output }}"`)
	m := machine(doc, done("a", `"ours"`))
	m.Decide(view())
	m.Apply(done("a", `"theirs"`))
	m.Apply(done("c", "1"))
	m.Forget()
	wantPlan(t, m.Decide(view()), `finish succeeded "theirs"`)
	m.Apply(done("unknown", "1")) // of a step that the document has not: no harm
}
