package engine_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/engine"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// dag is a random document and what the world does with its steps.
type dag struct {
	steps []string
	fails map[string]int // attempts that fail before one succeeds
	bad   string         // the step that fails for good, "" for none
}

// newDAG draws a document of every type of step, with conditions and joins. At
// most one step fails for good: of two, the first to be tried would decide.
func newDAG(r *rand.Rand) dag {
	d := dag{fails: map[string]int{}}
	n := 2 + r.IntN(9)
	var outputs []string
	for i := range n {
		id := fmt.Sprintf("s%d", i)
		needs := []string{}
		for j := range i {
			if r.IntN(3) == 0 {
				needs = append(needs, fmt.Sprintf(`"s%d"`, j))
			}
		}
		more := fmt.Sprintf(`,"needs":[%s]`, strings.Join(needs, ","))
		read := "input.n"
		if len(needs) > 0 {
			read = "steps." + strings.Trim(needs[r.IntN(len(needs))], `"`) + ".output"
		}
		switch r.IntN(6) {
		case 0:
			more += fmt.Sprintf(`,"when":"string(%s ?? 0) contains '%d'"`, read, r.IntN(4))
		case 1:
			more += fmt.Sprintf(`,"when":"string(%s ?? 0) contains '%d'","skipDependents":true`, read, r.IntN(4))
		}
		switch r.IntN(8) {
		case 0:
			d.steps = append(d.steps, fmt.Sprintf(`{"id":%q,"type":"transform","output":"{{ [%s, %d] }}"%s}`, id, read, r.IntN(4), more))
		case 1:
			d.steps = append(d.steps, fmt.Sprintf(`{"id":%q,"type":"wait","duration":"%ds"%s}`, id, 1+r.IntN(90), more))
		case 2:
			d.steps = append(d.steps, fmt.Sprintf(`{"id":%q,"type":"callback"%s}`, id, more))
		default:
			d.steps = append(d.steps, call(id, more))
			if d.fails[id] = max(0, r.IntN(5)-2); d.bad == "" && r.IntN(3*n) == 0 {
				d.bad = id
			}
		}
		outputs = append(outputs, fmt.Sprintf(`%q:["{{ steps.%s.status }}","{{ steps.%s.output }}"]`, id, id, id))
	}
	d.steps = append(d.steps, "")
	d.steps[n] = strings.Join(outputs, ",")
	return d
}

func (d dag) parse(t *testing.T) *workflow.Document {
	n := len(d.steps) - 1
	return parse(t, strings.Join(d.steps[:n], "\n"), `,"output":{`+d.steps[n]+`}`)
}

// world is one way through a document: who is next is the source's choice.
type world struct {
	t      *testing.T
	dag    dag
	doc    *workflow.Document
	r      *rand.Rand
	m      *engine.Machine
	stored map[string]*record.Step
	flying []engine.Call
	view   engine.View
	called map[string]int // calls that were recorded, by step
}

// finish goes on until the run ends.
func (w *world) finish() *engine.Finish {
	w.rebuild()
	for looks := 0; ; looks++ {
		if looks > 5000 {
			w.t.Fatal("no end after 5000 looks")
		}
		p := w.m.Decide(w.view)
		switch {
		case p.Finish != nil && len(w.flying) == 0:
			return p.Finish
		case p.Finish != nil:
			w.land()
		case w.r.IntN(12) == 0:
			w.rebuild() // the worker died here
		case len(p.Writes) > 0:
			w.store(p.Writes[w.r.IntN(len(p.Writes))])
		case len(p.Calls) > 0 && (len(w.flying) == 0 || w.r.IntN(2) == 0):
			c := p.Calls[w.r.IntN(len(p.Calls))]
			w.m.SetInFlight(c.Step, true)
			w.flying = append(w.flying, c)
		case len(w.flying) > 0:
			w.land()
		default:
			w.pass(p)
		}
	}
}

// rebuild is a new worker, who knows what is stored and nothing else.
func (w *world) rebuild() {
	recs := make([]*record.Step, 0, len(w.stored))
	for _, s := range w.stored {
		recs = append(recs, s)
	}
	w.m, w.flying = machine(w.doc, recs...), nil
}

// store keeps to the rule: what has its outcome is never written again.
func (w *world) store(s *record.Step) {
	if old := w.stored[s.ID]; old.Final() || old != nil && s.Count != old.Count+1 || old == nil && s.Count != 1 {
		w.t.Fatalf("%s is written over %+v", tellStep(s), old)
	}
	w.stored[s.ID] = s
	w.m.Apply(s)
}

// land ends one of the calls under way.
func (w *world) land() {
	i := w.r.IntN(len(w.flying))
	c := w.flying[i]
	w.flying = append(w.flying[:i:i], w.flying[i+1:]...)
	w.m.SetInFlight(c.Step, false)
	res := engine.Result{Start: w.view.Now, End: w.view.Now, Output: fmt.Appendf(nil, `%d`, c.Step.Index)}
	switch id := c.Step.ID; {
	case id == w.dag.bad:
		res.Err = &record.Error{Category: "auth", Message: "never"}
	case c.Attempt <= w.dag.fails[id]:
		res.Err = &record.Error{Category: "upstream", Message: "not yet"}
	}
	w.called[c.Step.ID]++
	w.store(w.m.Outcome(c, res, w.r))
}

// pass is what happens when nothing can be done: a signal comes, or the next
// due.
func (w *world) pass(p engine.Plan) {
	for _, wait := range p.Waiting {
		if wait.Reason == "callback" && w.r.IntN(2) == 0 {
			w.view.Marks[wait.Step] = engine.Mark{Body: fmt.Appendf(nil, `"for %s"`, wait.Step)}
			return
		}
	}
	if p.Next < w.view.Now {
		w.t.Fatalf("the next thing to do is %s from now", rel(p.Next-w.view.Now+now))
	}
	if p.Next == w.view.Deadline {
		for _, wait := range p.Waiting {
			w.view.Marks[wait.Step] = engine.Mark{Body: fmt.Appendf(nil, `"for %s"`, wait.Step)}
		}
		return
	}
	w.view.Now = p.Next
}

// For random documents: whatever the order of outcomes, whichever workers die,
// the run ends the same, and no step is called more often than its attempts.
func TestAnyInterleavingEndsTheSame(t *testing.T) {
	t.Parallel()
	ends := map[record.Status]int{}
	for seed := range uint64(300) {
		d := newDAG(random(seed))
		doc := d.parse(t)
		var want *engine.Finish
		for way := range uint64(12) {
			w := &world{
				t: t, dag: d, doc: doc, r: random(seed<<8 | way), stored: map[string]*record.Step{}, called: map[string]int{},
				view: engine.View{Now: now, Deadline: now + 1<<40, Marks: map[string]engine.Mark{}},
			}
			got := w.finish()
			if want == nil {
				want = got
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, way %d:\n%s\nends as %s %s\nand as   %s %s", seed, way, doc.Source(), got.Status, got.Output, want.Status, want.Output)
			}
			for id, n := range w.called {
				if tried := w.stored[id].Tried(); tried != n {
					t.Fatalf("seed %d, way %d: %s was recorded %d times and tells of %d attempts", seed, way, id, n, tried)
				}
			}
		}
		ends[want.Status]++
	}
	if ends[record.Succeeded] < 100 || ends[record.Failed] < 30 {
		t.Errorf("ends %v: the documents are too much alike to tell anything", ends)
	}
}
