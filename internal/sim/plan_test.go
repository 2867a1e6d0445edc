package sim

import (
	"encoding/json"
	"fmt"
	"time"
)

// plan is a workflow whose every outcome the oracle can tell beforehand.
type plan struct {
	name    string
	steps   []*planned
	timeout time.Duration // of the execution; 0: the default of 30 days
	big     bool          // values too large for their usual places
	fickle  bool          // every call is answered with another value
}

// planned is one step of a plan, and how its destination behaves.
type planned struct {
	id        string
	kind      string // http, transform, wait, callback
	needs     []int
	when      string // one of the conditions below; "" for always
	skipDeps  bool
	span      time.Duration // of a wait
	policy    policy
	attempt   time.Duration // attemptTimeout; 0: the default
	timeout   time.Duration
	delicate  bool // idempotent: false
	behaviour behaviour
	answer    []callback // what the destination of a callback step sends back
}

type policy struct {
	strategy string
	attempts int
	initial  time.Duration
}

// behaviour is what a destination does with the calls of one step.
type behaviour struct {
	failFirst int  // so many calls fail, then it works
	failAs    int  // with this status; 0: the connection breaks
	hopeless  bool // it never works
	latency   time.Duration
}

// callback is one answer to a callback step.
type callback struct {
	after time.Duration // after the call was received; negative: before it returns
	value int
}

const (
	whenInput    = "input.n > 500"
	whenUpstream = "up > 500"
)

// newPlan draws a workflow.
func newPlan(name string, d *dice) *plan {
	p := &plan{name: name}
	for i := range 1 + d.below(6) {
		p.steps = append(p.steps, newStep(i, d))
	}
	if d.chance(0.07) {
		p.timeout = time.Duration(d.pick(10, 60, 1200, 7200)) * time.Second
	}
	for _, s := range p.steps {
		if p.timeout > 0 && s.timeout > p.timeout {
			s.timeout = p.timeout
		}
		if p.timeout > 0 && s.attempt > p.timeout {
			s.attempt = p.timeout
		}
		if s.timeout > 0 && s.attempt > s.timeout {
			s.attempt = s.timeout
		}
	}
	p.big = d.chance(0.05)
	p.fickle = d.chance(0.5)
	return p
}

func newStep(i int, d *dice) *planned {
	s := &planned{id: string(rune('a' + i)), kind: "http"}
	switch n := d.below(20); {
	case n < 3:
		s.kind = "transform"
	case n < 5:
		s.kind = "wait"
		s.span = []time.Duration{300 * time.Millisecond, 5 * time.Second, 90 * time.Second, 10 * time.Minute, 20 * time.Minute, 3 * time.Hour}[d.below(6)]
	case n < 7:
		s.kind = "callback"
		s.callback(d)
	}
	s.needs = drawNeeds(i, d)
	if i > 0 && d.chance(0.2) {
		s.when = []string{whenInput, whenUpstream}[d.below(2)]
		s.skipDeps = d.chance(0.4)
	}
	if s.kind == "http" || s.kind == "callback" {
		s.call(d)
	}
	return s
}

// drawNeeds leans towards a sequence with some parallel branches.
func drawNeeds(i int, d *dice) []int {
	needs := []int{}
	switch {
	case i == 0 || d.chance(0.2):
	case d.chance(0.6):
		needs = append(needs, i-1)
	default:
		for j := range i {
			if d.chance(0.5) {
				needs = append(needs, j)
			}
		}
	}
	return needs
}

func (s *planned) call(d *dice) {
	s.policy = policy{strategy: "exponential", attempts: 3 + d.below(4), initial: time.Second}
	switch d.below(6) {
	case 0:
		s.policy = policy{strategy: "fixed", attempts: 2 + d.below(3), initial: time.Duration(d.pick(200, 3000, 30000)) * time.Millisecond}
	case 1:
		s.policy = policy{strategy: "none", attempts: 1}
	case 2:
		s.policy.initial = time.Duration(d.pick(100, 60000, 1000000)) * time.Millisecond
	}
	b := &s.behaviour
	b.latency = d.between(time.Millisecond, 300*time.Millisecond)
	b.failAs = d.pick(500, 503, 429, 504, 0)
	if s.policy.attempts > 1 && d.chance(0.35) {
		b.failFirst = 1 + d.below(s.policy.attempts-1)
	}
	b.hopeless = d.chance(0.04)
	switch d.below(12) {
	case 0:
		b.latency = d.between(2*time.Second, 20*time.Second)
	case 1:
		s.attempt = 2 * time.Minute // the solo lane's
		if d.chance(0.5) {
			b.latency = d.between(30*time.Second, 100*time.Second)
		}
	case 2:
		s.attempt = 5 * time.Second
	}
	if s.kind == "http" && d.chance(0.12) {
		s.delicate = true
	}
	if s.kind == "http" && d.chance(0.05) {
		s.timeout = time.Duration(d.pick(8, 40, 1000)) * time.Second
	}
}

// callback draws what comes back, and when.
func (s *planned) callback(d *dice) {
	value := d.below(1000)
	one := func(after time.Duration) { s.answer = append(s.answer, callback{after, value + len(s.answer)}) }
	switch d.below(6) {
	case 0:
		one(-time.Millisecond)
	case 1:
		one(d.between(time.Second, 20*time.Second))
	case 2:
		one(d.between(time.Minute, 20*time.Minute))
	case 3:
		at := d.between(0, time.Minute)
		one(at)
		one(at + d.between(0, 2*time.Second))
	case 4:
		s.timeout = d.between(20*time.Second, 30*time.Minute) // and nothing comes
	default:
		one(d.between(time.Second, 3*time.Minute))
		s.timeout = 6 * time.Hour
	}
}

// value reads the result of a step, 0 where it was skipped or has none.
func value(id string) string { return fmt.Sprintf("(steps.%s.output?.v ?? 0)", id) }

// sum is the expression of a step's argument: the input and all it needs.
func (p *plan) sum(s *planned) string {
	e := "input.n"
	for _, i := range s.needs {
		e += " + " + value(p.steps[i].id)
	}
	return e
}

func (p *plan) upstream(s *planned) string {
	e := "0"
	for _, i := range s.needs {
		e += " + " + value(p.steps[i].id)
	}
	return e
}

// source is the plan as a workflow document.
func (p *plan) source() []byte {
	type object = map[string]any
	steps := []any{}
	out := object{}
	for _, s := range p.steps {
		o := object{"id": s.id, "type": s.kind}
		needs := []string{}
		for _, i := range s.needs {
			needs = append(needs, p.steps[i].id)
		}
		o["needs"] = needs
		switch s.when {
		case whenInput:
			o["when"] = whenInput
		case whenUpstream:
			o["when"] = p.upstream(s) + " > 500"
		}
		if s.skipDeps {
			o["skipDependents"] = true
		}
		switch s.kind {
		case "transform":
			o["output"] = object{"v": "{{ " + p.sum(s) + " }}"}
		case "wait":
			o["duration"] = duration(s.span)
			if p.timeout > 0 && s.span > p.timeout { // known to be impossible, it would be refused
				o["duration"] = "{{ '" + duration(s.span) + "' }}"
			}
		default:
			body := object{"v": "{{ " + p.sum(s) + " }}"}
			if s.kind == "callback" {
				body["url"] = "{{ callback.url }}"
			}
			o["request"] = object{"method": "POST", "url": "http://destination/" + s.id, "body": body}
			o["retry"] = s.policy.source()
			if s.attempt > 0 {
				o["attemptTimeout"] = duration(s.attempt)
			}
			if s.delicate {
				o["idempotent"] = false
			}
		}
		if s.timeout > 0 {
			o["timeout"] = duration(s.timeout)
		}
		steps = append(steps, o)
		out[s.id] = "{{ " + value(s.id) + " }}"
		if p.big {
			out[s.id+"_pad"] = "{{ steps." + s.id + ".output?.pad }}"
		}
	}
	doc := object{"name": p.name, "steps": steps, "output": out}
	if p.timeout > 0 {
		doc["timeout"] = duration(p.timeout)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return b
}

func (p policy) source() map[string]any {
	if p.strategy == "none" {
		return map[string]any{"strategy": "none"}
	}
	return map[string]any{"strategy": p.strategy, "attempts": p.attempts, "initial": duration(p.initial), "jitter": "full", "on": []string{"network", "timeout", "upstream", "rate_limited"}}
}

func duration(d time.Duration) string {
	if d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return fmt.Sprintf("%dms", d/time.Millisecond)
}
