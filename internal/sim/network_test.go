package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/step"
)

// netState is what the destinations remember.
type netState struct {
	sites map[string]*site // by "<pk>/<step>"
}

// site is what a destination knows of one step of one execution.
type site struct {
	calls    int
	planned  int          // failures so far that the plan wants
	failures map[int]int  // by run: failures that reached the caller
	answered map[int]bool // by run: callbacks are on their way
	mended   bool         // a hopeless destination works after a retry was asked for

	last     *attempted // the latest call
	decided  int        // decisions that allow one more call of a delicate step
	calledIn map[int]int
}

// attempted is one call as the destination saw it, and what became of it.
type attempted struct {
	inv     *invocation
	run     int
	clear   bool // it ended in a failure that left no doubt
	ended   bool
	written bool // the caller has recorded it
}

func (w *world) site(pk, stepID string) *site {
	k := pk + "/" + stepID
	s := w.net.sites[k]
	if s == nil {
		s = &site{failures: map[int]int{}, answered: map[int]bool{}, calledIn: map[int]int{}}
		w.net.sites[k] = s
	}
	return s
}

// simCaller makes the calls of one process.
type simCaller struct {
	w *world
	p *process
}

var _ step.Caller = simCaller{}

// flight is one call under way.
type flight struct {
	*call
	x       *execution
	s       *planned
	site    *site
	run     int
	number  int // of the call, among those of its step
	arg     float64
	url     string // of a callback
	latency time.Duration
	hang    bool
	err     *step.Error
	record  *attempted
}

// Call implements step.Caller.
func (sc simCaller) Call(ctx context.Context, sent step.Call) step.Result {
	w := sc.w
	c := w.enter(ctx, sc.p, mixString(6, sent.Key))
	began := w.since()
	switch c.sleep(c.dice.between(time.Microsecond, 50*time.Microsecond)) { // several begin at one instant
	case died:
		_ = c.hang()
		return step.Result{Err: &step.Error{Category: retry.Network, Message: "sim: dead"}}
	case ended:
		c.linger()
		c.unsent(sent)
		return step.Result{Err: endedBy(ctx, false)}
	}
	w.mu.Lock()
	// A process that froze in between has begun this call under a lease that
	// may be over by now; no protocol can call it back.
	f := c.arrive(sent, w.since() > began+time.Millisecond)
	if f == nil {
		w.mu.Unlock()
		return step.Result{Err: &step.Error{Category: retry.Internal, Message: "sim: not a call the world knows"}}
	}
	f.decide()
	w.mu.Unlock()
	if f.hang {
		return f.returns(f.sleep(24 * time.Hour))
	}
	return f.returns(f.sleep(f.latency))
}

// unsent counts a call that ended before anything was sent.
func (c *call) unsent(sent step.Call) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	id, rest, _ := strings.Cut(sent.Key, "/")
	stepID, _, _ := strings.Cut(rest, "~")
	if l := c.inv.leases[tenant+"#"+id]; l != nil {
		c.w.site(tenant+"#"+id, stepID).failures[l.run]++
	}
}

// arrive finds out whose call it is and checks that it may be made. Callers
// hold mu.
func (c *call) arrive(sent step.Call, thawed bool) *flight {
	w := c.w
	id, rest, ok := strings.Cut(sent.Key, "/")
	stepID, generation, _ := strings.Cut(rest, "~")
	x := w.executions[tenant+"#"+id]
	if !ok || x == nil || x.plan.step(stepID) == nil {
		w.fail("", "a call with the key %q, which names no step", sent.Key)
		return nil
	}
	f := &flight{call: c, x: x, s: x.plan.step(stepID), site: w.site(x.pk, stepID)}
	req, _ := sent.Request.(map[string]any)
	body, _ := req["body"].(map[string]any)
	f.url, _ = body["url"].(string)
	switch n := body["v"].(type) {
	case int:
		f.arg = float64(n)
	case int64:
		f.arg = float64(n)
	case float64:
		f.arg = n
	default:
		w.fail(x.pk, "step %s is called with the argument %v", stepID, body["v"])
	}
	w.trace.add(w, event{c: c, pk: x.pk, op: "calls", note: fmt.Sprintf("%s attempt %d arg %v", sent.Key, sent.Attempt, f.arg)})
	if l := c.inv.leases[x.pk]; l != nil {
		f.run = l.run
	}
	if thawed {
		x.keys[runStep(f.run, stepID)] = generation // called all the same
		return f
	}
	w.checkCall(f, generation)
	return f
}

// decide settles what the destination does. Callers hold mu.
func (f *flight) decide() {
	w, d, b := f.w, &f.dice, f.s.behaviour
	f.site.calls++
	f.number = f.site.calls
	f.record = &attempted{inv: f.inv, run: f.run}
	f.site.last = f.record
	f.latency = b.latency/2 + d.between(0, b.latency/2)
	if f.x.plan.name == w.poison {
		w.fired[poisoned]++
		f.crash("of a poisoned call")
		return
	}
	limit := f.s.attempt
	if limit == 0 {
		limit = 30 * time.Second
	}
	spare := f.s.delicate || f.site.failures[f.run]+max(b.failFirst-f.site.planned, 0)+1 < f.s.policy.attempts
	switch {
	case b.hopeless && !f.site.mended:
		f.err = &step.Error{Category: retry.ClientError, Code: "400", Message: "hopeless", Answered: true}
	case spare && w.strikes(dyingDestination, d):
		f.err = &step.Error{Category: retry.Network, Code: "reset", Message: "the destination died", Unclear: d.chance(0.7)}
	case spare && w.strikes(hangingDestination, d):
		f.hang = true
	case f.site.planned < b.failFirst:
		f.site.planned++
		f.err = planned5xx(b.failAs, d)
	case w.strikes(slowDestination, d):
		f.latency += d.between(limit/8, limit/2)
	}
	if f.err == nil && !f.hang {
		f.announce()
	}
	if f.crashes(crashInCall) {
		p, w := f.p, f.w
		after := d.between(0, f.latency*2)
		w.run(func() {
			if w.rest(after) {
				w.mu.Lock()
				w.kill(p, "in a call")
				w.mu.Unlock()
			}
		})
	}
	f.freezes()
}

func planned5xx(status int, d *dice) *step.Error {
	switch status {
	case 0:
		return &step.Error{Category: retry.Network, Code: "refused", Message: "refused"}
	case 429:
		return &step.Error{Category: retry.RateLimited, Code: "429", Message: "slow down", Answered: true, RetryAfter: d.between(0, 3*time.Second)}
	case 504:
		return &step.Error{Category: retry.Timeout, Code: "504", Message: "gateway timeout", Answered: true}
	}
	return &step.Error{Category: retry.Upstream, Code: fmt.Sprint(status), Message: "not today", Answered: true}
}

// returns brings the answer back to the caller.
func (f *flight) returns(how fate) step.Result {
	if how == died {
		_ = f.call.hang()
		return step.Result{Err: &step.Error{Category: retry.Network, Message: "sim: dead"}}
	}
	res := step.Result{Err: f.err}
	if how == ended {
		f.linger()
		res.Err = endedBy(f.ctx, true)
	}
	w := f.w
	w.mu.Lock()
	defer w.mu.Unlock()
	note := f.x.id + "/" + f.s.id
	if res.Err == nil {
		res.Output = f.output()
		res.Response = &step.Response{Status: 200}
		note += " 200"
	} else {
		f.site.failures[f.run]++
		f.record.clear = !res.Err.Unclear
		note += " " + string(res.Err.Category)
	}
	f.record.ended = true
	w.trace.add(w, event{c: f.call, pk: f.x.pk, op: "answered", note: note})
	return res
}

// endedBy is the error of a call whose context ended, as package step has it.
func endedBy(ctx context.Context, sent bool) *step.Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &step.Error{Category: retry.Cancelled, Code: "cancelled", Message: "the call was cancelled", Unclear: sent}
	}
	return &step.Error{Category: retry.Timeout, Code: "timeout", Message: "no answer in time", Unclear: sent}
}

// output is what the destination answers: a function of step and argument, and
// of a fickle plan's also of the call, so that it shows whose answer counts.
func (f *flight) output() json.RawMessage {
	v := answer(f.s.id, f.arg)
	if f.x.plan.fickle {
		v += answers * f.number
	}
	if !f.x.plan.big {
		return fmt.Appendf(nil, `{"v":%d}`, v)
	}
	return fmt.Appendf(nil, `{"v":%d,"pad":%q}`, v, padding(f.s.id))
}

// answers is how many a destination has for one call.
const answers = 1000

func answer(stepID string, arg float64) int {
	return int(mixString(uint64(int64(arg)), stepID) % answers)
}

// padding is text that does not compress, different for each step.
func padding(stepID string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	d := dice(mixString(7, stepID))
	b := make([]byte, 900)
	for i := range b {
		b[i] = letters[d.below(len(letters))]
	}
	return string(b)
}

// announce has the destination of a callback step send its answers. Callers
// hold mu.
func (f *flight) announce() {
	if f.s.kind != "callback" || f.site.answered[f.run] {
		return
	}
	f.site.answered[f.run] = true
	i := strings.LastIndexByte(f.url, '/')
	if i < 0 {
		f.w.fail(f.x.pk, "callback step %s announces the address %q", f.s.id, f.url)
		return
	}
	token := f.url[i+1:]
	for _, a := range f.s.answer {
		after := f.latency + a.after
		if a.after < 0 {
			after = f.latency / 2
		}
		x, s, run := f.x, f.s, f.run
		f.w.script(func() {
			if f.w.rest(after) {
				f.w.answerCallback(x, s, run, token, a.value)
			}
		})
	}
}
