package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/engine"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// now is the time of every look, unless a test says otherwise; texts give other
// times relative to it.
const now = int64(1_767_225_600_000)

const second = int64(1000)

// parse reads a document of these steps, one JSON object a line, and of what
// else a document has.
func parse(t *testing.T, steps string, more ...string) *workflow.Document {
	t.Helper()
	steps = strings.ReplaceAll(strings.TrimSpace(steps), "\n", ",")
	src := fmt.Sprintf(`{"name":"test","steps":[%s]%s}`, steps, strings.Join(more, ""))
	doc, err := workflow.Parse([]byte(src))
	if err != nil {
		t.Fatalf("the test's own document is refused: %v\n%s", err, src)
	}
	return doc
}

// call is a line for parse: a step that calls something.
func call(id string, more ...string) string {
	return fmt.Sprintf(`{"id":%q,"type":"http","request":{"url":"http://x/%s"}%s}`, id, id, strings.Join(more, ""))
}

func machine(doc *workflow.Document, recs ...*record.Step) *engine.Machine {
	known := map[string]*record.Step{}
	for _, r := range recs {
		known[r.ID] = r
	}
	link := func(step string) (string, string) { return "token-" + step, "http://cb/" + step }
	return engine.New(doc, engine.Info{ID: "ex_1", Workflow: "test", Version: 1, Run: 1}, map[string]any{"n": int64(7)}, known, link)
}

// done, failed and open are records of steps.
func done(id, output string) *record.Step {
	return &record.Step{ID: id, State: record.Done, Count: 1, First: now - second, Body: record.StepBody{Output: []byte(output)}}
}

func failed(id string) *record.Step {
	return &record.Step{ID: id, State: record.Broken, Count: 1, Body: record.StepBody{Error: &record.Error{Category: "upstream", Message: "no"}}}
}

func open(id string, why record.Reason, due int64) *record.Step {
	return &record.Step{ID: id, State: record.Open, Count: 1, For: why, Due: due, First: now - second,
		Body: record.StepBody{Attempts: []record.Attempt{{Outcome: "failed"}}}}
}

func view(change ...func(*engine.View)) engine.View {
	v := engine.View{Now: now, Deadline: now + 3600*second}
	for _, c := range change {
		c(&v)
	}
	return v
}

// rel tells a time relative to now.
func rel(at int64) string {
	if at == 0 {
		return "never"
	}
	d := time.Duration(at-now) * time.Millisecond
	if d >= 0 {
		return "+" + d.String()
	}
	return d.String()
}

// tell is a plan in words, each part on its own.
func tell(p engine.Plan) []string {
	var out []string
	for _, w := range p.Writes {
		out = append(out, "write "+tellStep(w))
	}
	for _, c := range p.Calls {
		out = append(out, fmt.Sprintf("call %s #%d", c.Step.ID, c.Attempt))
	}
	for _, w := range p.Waiting {
		out = append(out, fmt.Sprintf("wait %s%s until %s", w.Step, w.Reason, rel(w.Until)))
	}
	if p.Blocked {
		out = append(out, "blocked")
	}
	if f := p.Finish; f != nil {
		text := "finish " + string(f.Status)
		if f.Output != nil {
			text += " " + string(f.Output)
		}
		if f.Error != nil {
			text += " " + f.Error.Category + ":" + f.Error.Step
		}
		out = append(out, text)
	}
	return out
}

func tellStep(s *record.Step) string {
	text := fmt.Sprintf("%s/%d %s", s.ID, s.Count, map[record.State]string{record.Open: "open", record.Done: "done", record.Broken: "failed", record.Abandoned: "cancelled"}[s.State])
	if s.State == record.Open {
		text += fmt.Sprintf(" for %s until %s", s.For, rel(s.Due))
	}
	if s.State == record.Done && s.Body.Output != nil {
		text += " " + string(s.Body.Output)
	}
	if s.Body.Error != nil && s.State != record.Done {
		text += " " + s.Body.Error.Category
	}
	return text
}

func wantPlan(t *testing.T, p engine.Plan, want ...string) {
	t.Helper()
	if got := tell(p); !slices.Equal(got, want) {
		t.Errorf("plan\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 5)) }
