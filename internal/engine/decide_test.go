package engine_test

import (
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/engine"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// decision is one row: the steps, what is recorded of them, what has come, and
// what is to be done.
type decision struct {
	steps  string
	output string // of the document
	recs   []*record.Step
	view   engine.View
	want   []string
	next   string // when there is something to do, "" for not compared
}

func (d decision) check(t *testing.T) {
	t.Helper()
	var more []string
	if d.output != "" {
		more = append(more, `,"output":`+d.output)
	}
	if d.view.Now == 0 {
		d.view = view()
	}
	p := machine(parse(t, d.steps, more...), d.recs...).Decide(d.view)
	wantPlan(t, p, d.want...)
	if d.next != "" && rel(p.Next) != d.next {
		t.Errorf("next %s, want %s", rel(p.Next), d.next)
	}
}

func checkAll(t *testing.T, rows map[string]decision) {
	for name, d := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.check(t)
		})
	}
}

const (
	roots = `{"id":"a","type":"http","request":{"url":"http://x"},"needs":[]}
{"id":"b","type":"http","request":{"url":"http://x"},"needs":[]}
{"id":"c","type":"http","request":{"url":"http://x"},"needs":["a","b"]}`
	maybe = `{"id":"a","type":"http","request":{"url":"http://x"},"when":"input.n > 7"}
{"id":"b","type":"http","request":{"url":"http://x"}}`
	branch = `{"id":"a","type":"http","request":{"url":"http://x"},"needs":[],"when":"input.n > 7","skipDependents":true}
{"id":"b","type":"http","request":{"url":"http://x"}}
{"id":"c","type":"http","request":{"url":"http://x"},"needs":[]}
{"id":"d","type":"http","request":{"url":"http://x"},"needs":["b","c"]}`
)

func TestWhatStartsWhen(t *testing.T) {
	t.Parallel()
	checkAll(t, map[string]decision{
		"a sequence starts with its first":       {steps: call("a") + "\n" + call("b"), want: []string{"call a #1"}, next: "+0s"},
		"the next follows":                       {steps: call("a") + "\n" + call("b"), recs: []*record.Step{done("a", "1")}, want: []string{"call b #1"}},
		"roots start together":                   {steps: roots, want: []string{"call a #1", "call b #1"}},
		"a join waits for all":                   {steps: roots, recs: []*record.Step{done("a", "1")}, want: []string{"call b #1"}},
		"and starts after the last":              {steps: roots, recs: []*record.Step{done("a", "1"), done("b", "2")}, want: []string{"call c #1"}},
		"a skipped step satisfies needs":         {steps: maybe, want: []string{"call b #1"}},
		"skipDependents ends the branch":         {steps: branch, want: []string{"call c #1"}},
		"beyond a join as well":                  {steps: branch, recs: []*record.Step{done("c", "1")}, want: []string{"finish succeeded"}},
		"a condition that fails fails the run":   {steps: `{"id":"a","type":"http","request":{"url":"http://x"},"when":"input.n.m.o > 7"}`, want: []string{"finish failed validation:a"}},
		"a request that fails is the step's end": {steps: `{"id":"a","type":"http","request":{"url":"http://x/{{ input.n.m.o }}"}}`, want: []string{"write a/1 failed validation"}},
		"a transform that fails fails the run":   {steps: `{"id":"a","type":"transform","output":"{{ input.n.m.o }}"}`, want: []string{"finish failed validation:a"}},
		"transforms are not written": {
			steps: `{"id":"a","type":"transform","output":"{{ input.n + 1 }}"}` + "\n" + `{"id":"b","type":"transform","output":{"x":"{{ steps.a.output }}"}}`,
			want:  []string{`finish succeeded {"b":{"x":8}}`}, output: `{"b":"{{ steps.b.output }}"}`,
		},
		"the output of what was skipped is null": {
			steps: maybe, recs: []*record.Step{done("b", `{"x":1}`)}, output: `["{{ steps.a.output }}","{{ steps.a.status }}","{{ steps.b.output.x }}"]`,
			want: []string{`finish succeeded [null,"skipped",1]`},
		},
		"an output that fails fails the run": {steps: call("a"), recs: []*record.Step{done("a", "1")}, output: `"{{ steps.a.output.b.c }}"`, want: []string{"finish failed validation:"}},
	})
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	const timer = `{"id":"w","type":"wait","duration":"90s"}`
	timed := call("a", `,"timeout":"10s","attemptTimeout":"2s"`)
	checkAll(t, map[string]decision{
		"a wait writes its due once":        {steps: timer, want: []string{"write w/1 open for wait until +1m30s"}},
		"and waits for it":                  {steps: timer, recs: []*record.Step{open("w", record.ForTimer, now+5*second)}, want: []string{"wait wwait until +5s"}, next: "+5s"},
		"past it counts as done":            {steps: timer, recs: []*record.Step{open("w", record.ForTimer, now)}, want: []string{"finish succeeded"}},
		"until a time":                      {steps: `{"id":"w","type":"wait","until":"2026-01-01T00:00:30Z"}`, want: []string{"write w/1 open for wait until +30s"}},
		"until a time that is past":         {steps: `{"id":"w","type":"wait","until":"2020-01-01T00:00:00Z"}`, want: []string{"write w/1 open for wait until -52608h0m0s"}},
		"until no time":                     {steps: `{"id":"w","type":"wait","until":"{{ input.n }} o'clock"}`, want: []string{"write w/1 failed validation"}},
		"a duration that is none":           {steps: `{"id":"w","type":"wait","duration":"{{ input.n }} moons"}`, want: []string{"write w/1 failed validation"}},
		"a retry waits for its due":         {steps: call("a"), recs: []*record.Step{open("a", record.ForRetry, now+1)}, want: []string{"wait aretry until +1ms"}, next: "+1ms"},
		"then it is called again":           {steps: call("a"), recs: []*record.Step{open("a", record.ForRetry, now)}, want: []string{"call a #2"}},
		"a step's timeout is a thing to do": {steps: timed, recs: []*record.Step{open("a", record.ForRetry, now+30*second)}, want: []string{"wait aretry until +30s"}, next: "+9s"},
		"past it the step has failed":       {steps: timed, recs: []*record.Step{first(open("a", record.ForRetry, now), now-10*second)}, want: []string{"write a/2 failed timeout"}},
		"the deadline is the last due":      {steps: timer, recs: []*record.Step{open("w", record.ForTimer, now+7200*second)}, want: []string{"wait wwait until +2h0m0s"}, next: "+1h0m0s"},
	})
}

func first(s *record.Step, at int64) *record.Step {
	s.First = at
	return s
}

func marked(m engine.Mark) engine.View {
	return view(func(v *engine.View) { v.Marks = map[string]engine.Mark{"a": m} })
}

func TestCallbacks(t *testing.T) {
	t.Parallel()
	const (
		plain     = `{"id":"a","type":"callback","timeout":"1m"}`
		announced = `{"id":"a","type":"callback","request":{"url":"http://x/?to={{ callback.url }}"}}`
	)
	come := marked(engine.Mark{Body: []byte(`{"ok":true}`)})
	checkAll(t, map[string]decision{
		"is armed":                          {steps: plain, want: []string{"write a/1 open for callback until +1m0s"}},
		"waits":                             {steps: plain, recs: []*record.Step{open("a", record.ForCallback, now+second)}, want: []string{"wait acallback until +1s"}, next: "+1s"},
		"waits without an end":              {steps: announced, recs: []*record.Step{open("a", record.ForCallback, 0)}, want: []string{"wait acallback until never"}, next: "+1h0m0s"},
		"succeeds with its payload":         {steps: plain, recs: []*record.Step{open("a", record.ForCallback, now+second)}, view: come, want: []string{`write a/2 done {"ok":true}`}},
		"also when it comes before arming":  {steps: plain, view: come, want: []string{`write a/1 done {"ok":true}`}},
		"also when its time is just over":   {steps: plain, recs: []*record.Step{open("a", record.ForCallback, now)}, view: come, want: []string{`write a/2 done {"ok":true}`}},
		"runs out of time":                  {steps: plain, recs: []*record.Step{open("a", record.ForCallback, now)}, want: []string{"write a/2 failed timeout"}},
		"announces itself first":            {steps: announced, want: []string{"call a #1"}},
		"and again when that failed":        {steps: announced, recs: []*record.Step{open("a", record.ForRetry, now)}, want: []string{"call a #2"}},
		"needs no announcing once it came":  {steps: announced, recs: []*record.Step{open("a", record.ForRetry, now+second)}, view: come, want: []string{`write a/2 done {"ok":true}`}},
		"its payload is the step's output":  {steps: plain, recs: []*record.Step{done("a", `{"ok":true}`)}, output: `"{{ steps.a.output.ok }}"`, want: []string{"finish succeeded true"}},
		"a mark of a step that is done":     {steps: plain + "\n" + call("b"), recs: []*record.Step{done("a", "1")}, view: come, want: []string{"call b #1"}},
		"a mark of a step that cannot wait": {steps: call("a"), view: come, want: []string{"call a #1"}},
	})
}

func TestTheEnd(t *testing.T) {
	t.Parallel()
	cancel := view(func(v *engine.View) { v.Cancel = true })
	late := view(func(v *engine.View) { v.Deadline = now })
	all := []*record.Step{done("a", "1"), done("b", "2"), done("c", "3")}
	checkAll(t, map[string]decision{
		"all done":                             {steps: roots, recs: all, want: []string{"finish succeeded"}},
		"one failed, the others not started":   {steps: roots, recs: []*record.Step{failed("b")}, want: []string{"finish failed upstream:b"}},
		"of two failures the first in order":   {steps: roots, recs: []*record.Step{failed("b"), failed("a")}, want: []string{"finish failed upstream:a"}},
		"one cancelled under way":              {steps: roots, recs: []*record.Step{{ID: "a", State: record.Abandoned}}, want: []string{"finish failed internal:a"}},
		"cancelled before anything":            {steps: roots, view: cancel, want: []string{"finish cancelled cancelled:"}},
		"cancelled, although all is done":      {steps: roots, recs: all, view: cancel, want: []string{"finish cancelled cancelled:"}},
		"cancelled, although one failed":       {steps: roots, recs: []*record.Step{failed("a")}, view: cancel, want: []string{"finish cancelled cancelled:"}},
		"timed out":                            {steps: roots, view: late, want: []string{"finish timed_out timeout:"}},
		"timed out, although all is done":      {steps: roots, recs: all, view: late, want: []string{"finish timed_out timeout:"}},
		"cancelled at the deadline":            {steps: roots, view: view(func(v *engine.View) { v.Cancel, v.Deadline = true, now }), want: []string{"finish cancelled cancelled:"}},
		"paused, although all is done":         {steps: roots, recs: all, view: view(func(v *engine.View) { v.Pause = true }), want: []string{"finish succeeded"}},
		"failed while another one still waits": {steps: roots, recs: []*record.Step{failed("a"), open("b", record.ForRetry, now+second)}, want: []string{"wait bretry until +1s", "finish failed upstream:a"}},
	})
}

func TestPausedAndDelayed(t *testing.T) {
	t.Parallel()
	pause := view(func(v *engine.View) { v.Pause = true })
	delayed := view(func(v *engine.View) { v.NotBefore = now + 60*second })
	checkAll(t, map[string]decision{
		"paused, nothing starts":       {steps: roots, view: pause, want: []string{"wait paused until +1h0m0s", "blocked"}},
		"paused, a wait is not begun":  {steps: `{"id":"w","type":"wait","duration":"90s"}`, view: pause, want: []string{"wait paused until +1h0m0s", "blocked"}},
		"delayed, nothing starts":      {steps: roots, view: delayed, want: []string{"wait start until +1m0s"}, next: "+1m0s"},
		"delayed, a wait is not begun": {steps: `{"id":"w","type":"wait","duration":"90s"}`, view: delayed, want: []string{"wait start until +1m0s"}, next: "+1m0s"},
		"delayed beyond the deadline":  {steps: roots, view: view(func(v *engine.View) { v.NotBefore = now + 7200*second }), want: []string{"wait start until +2h0m0s"}, next: "+1h0m0s"},
		"delayed, nothing to call":     {steps: `{"id":"t","type":"transform","output":1}`, view: delayed, want: []string{"wait start until +1m0s"}, next: "+1m0s"},
		"delayed, its output fails":    {steps: `{"id":"t","type":"transform","output":"{{ 1 / 0 }}"}`, view: delayed, want: []string{"wait start until +1m0s"}, next: "+1m0s"},
		"cancelled while delayed":      {steps: roots, view: view(func(v *engine.View) { v.NotBefore, v.Cancel = now+second, true }), want: []string{"finish cancelled cancelled:"}},
		"the delay is over":            {steps: roots, view: view(func(v *engine.View) { v.NotBefore = now }), want: []string{"call a #1", "call b #1"}},
	})
}

// A step with `idempotent: false` that may have been called is not called
// again unless somebody says so, once.
func TestUnknownOutcomes(t *testing.T) {
	t.Parallel()
	once := call("a", `,"idempotent":false`)
	both := once[:len(once)-1] + `,"needs":[]}` + "\n" + call("b", `,"needs":[]`)
	doubt := view(func(v *engine.View) { v.DoubtUntil = now - second })
	asked := func() *record.Step { return open("a", record.ForDecision, 0) }
	checkAll(t, map[string]decision{
		"in doubt, no record":                  {steps: once, view: doubt, want: []string{"write a/1 open for unknown until never unknown", "blocked"}},
		"in doubt, its retry was due":          {steps: once, recs: []*record.Step{open("a", record.ForRetry, now-second)}, view: doubt, want: []string{"write a/2 open for unknown until never unknown", "blocked"}},
		"no doubt, its retry came due since":   {steps: once, recs: []*record.Step{open("a", record.ForRetry, now-second+1)}, view: doubt, want: []string{"call a #2"}},
		"in doubt, but it may be called again": {steps: call("a"), view: doubt, want: []string{"call a #1"}},
		"in doubt, its siblings wait":          {steps: both, view: doubt, want: []string{"write a/1 open for unknown until never unknown", "blocked"}},
		"in doubt while paused, still noted": {steps: once, view: view(func(v *engine.View) { v.DoubtUntil, v.Pause = now, true }),
			want: []string{"write a/1 open for unknown until never unknown", "wait paused until +1h0m0s", "blocked"}},
		"waits for a decision":      {steps: both, recs: []*record.Step{asked()}, want: []string{"wait aunknown until +1h0m0s", "blocked"}},
		"again":                     {steps: once, recs: []*record.Step{asked()}, view: marked(engine.Mark{Decision: "again", Count: 1}), want: []string{"write a/2 open for retry until +0s"}},
		"failed":                    {steps: once, recs: []*record.Step{asked()}, view: marked(engine.Mark{Decision: "failed", Count: 1}), want: []string{"write a/2 failed"}},
		"a decision on another one": {steps: once, recs: []*record.Step{asked()}, view: marked(engine.Mark{Decision: "again", Count: 2}), want: []string{"wait aunknown until +1h0m0s", "blocked"}},
		"a callback is no decision": {steps: once, recs: []*record.Step{asked()}, view: marked(engine.Mark{Count: 1}), want: []string{"wait aunknown until +1h0m0s", "blocked"}},
	})
}

// A decision is obeyed by a record of its own, so the next look, which still
// sees the mark, calls once, and an unknown outcome of that call asks anew.
func TestADecisionIsObeyedOnce(t *testing.T) {
	t.Parallel()
	doc := parse(t, call("a", `,"idempotent":false`))
	again := marked(engine.Mark{Decision: "again", Count: 1})
	m := machine(doc, open("a", record.ForDecision, 0))
	m.Apply(m.Decide(again).Writes[0])
	p := m.Decide(again)
	wantPlan(t, p, "call a #2")
	unclear := engine.Result{Start: now, End: now, Unclear: true, Err: &record.Error{Category: "timeout", Message: "no answer"}}
	m.Apply(m.Outcome(p.Calls[0], unclear, random(1)))
	wantPlan(t, m.Decide(again), "wait aunknown until +1h0m0s", "blocked")
}

// What is under way is not called twice; its timeout is still watched.
func TestACallUnderWay(t *testing.T) {
	t.Parallel()
	doc := parse(t, call("a", `,"timeout":"20s","attemptTimeout":"2s"`))
	m := machine(doc, open("a", record.ForRetry, now))
	m.SetInFlight(doc.Steps[0], true)
	p := m.Decide(view())
	wantPlan(t, p)
	if m.Status(doc.Steps[0]) != record.StepRunning || m.Ready(doc.Steps[0]) || rel(p.Next) != "+19s" {
		t.Errorf("status %s, ready %t, next %s", m.Status(doc.Steps[0]), m.Ready(doc.Steps[0]), rel(p.Next))
	}
	m.SetInFlight(doc.Steps[0], false)
	wantPlan(t, m.Decide(view()), "call a #2")
	if !m.Ready(doc.Steps[0]) {
		t.Error("not ready although its call is due")
	}
}

func TestStatusesOfSteps(t *testing.T) {
	t.Parallel()
	doc := parse(t, branch+"\n"+`{"id":"e","type":"wait","duration":"1m","needs":[]}`+"\n"+call("f", `,"needs":["c"]`)+"\n"+call("g", `,"needs":[]`))
	m := machine(doc, done("c", `"x"`), open("e", record.ForTimer, now+second), failed("g"))
	m.Decide(view())
	for id, want := range map[string]record.StepStatus{
		"a": record.StepSkipped, "b": record.StepSkipped, "c": record.StepSucceeded, "d": record.StepSkipped,
		"e": record.StepWaiting, "f": record.StepPending, "g": record.StepFailed,
	} {
		if got := m.Status(doc.Step(id)); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	if out := string(m.Output(doc.Step("c"))); out != `"x"` || m.Err(doc.Step("g")) == nil || m.Err(doc.Step("c")) != nil || m.Record(doc.Step("c")) == nil {
		t.Errorf("output of c %s, error of g %v", out, m.Err(doc.Step("g")))
	}
}
