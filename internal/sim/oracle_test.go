package sim

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// verdict is what must have become of a run, told from its plan and from what
// the destinations and the clients did, never from the engine.
type verdict struct {
	values  map[string]float64
	skipped map[string]bool
	ended   map[string]bool // dependents are skipped too
	failed  string          // the step that must have failed, "" for none
	missing string          // a step that has no outcome and needs one
}

// judge walks through a plan in order, as a run without faults would go.
func (w *world) judge(x *execution, run int) (v verdict, err error) {
	v = verdict{values: map[string]float64{}, skipped: map[string]bool{}, ended: map[string]bool{}}
	for _, s := range x.plan.steps {
		if v.skips(x.plan, s, x.input) {
			if first, have := x.final[runStep(run, s.id)]; have {
				return v, fmt.Errorf("step %s has the outcome %s and should have been skipped", s.id, first)
			}
			continue
		}
		if v.behindFailure(x.plan, s) {
			continue
		}
		arg := v.arg(x.plan, s, x.input)
		switch s.kind {
		case "transform":
			v.values[s.id] = arg
		case "wait":
			if _, begun := x.waitDue[runStep(run, s.id)]; !begun && v.missing == "" {
				v.missing = s.id
			}
		default:
			if err := w.judgeCall(&v, x, run, s, arg); err != nil {
				return v, err
			}
		}
	}
	return v, nil
}

// skips decides whether the step is skipped.
func (v *verdict) skips(p *plan, s *planned, input int) bool {
	up := 0.0
	for _, i := range s.needs {
		if id := p.steps[i].id; v.ended[id] {
			v.skipped[s.id], v.ended[s.id] = true, true
			return true
		}
		up += v.values[p.steps[i].id]
	}
	no := s.when == whenInput && input <= 500 || s.when == whenUpstream && up <= 500
	if no {
		v.skipped[s.id], v.ended[s.id] = true, s.skipDeps
	}
	return no
}

// behindFailure reports whether something the step needs has no success.
func (v *verdict) behindFailure(p *plan, s *planned) bool {
	for _, i := range s.needs {
		id := p.steps[i].id
		if id == v.failed || id == v.missing || v.unreached(id) {
			if v.values == nil {
				return true
			}
			v.values[s.id] = unreached
			return true
		}
	}
	return false
}

// unreached is the value of a step behind a failure.
const unreached = -1e9

func (v *verdict) unreached(id string) bool { return v.values[id] == unreached }

func (v *verdict) arg(p *plan, s *planned, input int) float64 {
	sum := float64(input)
	for _, i := range s.needs {
		sum += v.values[p.steps[i].id]
	}
	return sum
}

// judgeCall compares a step's outcome with what its destination answers.
func (w *world) judgeCall(v *verdict, x *execution, run int, s *planned, arg float64) error {
	k := runStep(run, s.id)
	first, have := x.final[k]
	state, output, _ := strings.Cut(first, " ")
	switch {
	case !have:
		if v.missing == "" {
			v.missing = s.id
		}
		v.values[s.id] = unreached
		return nil
	case state != string(record.Done):
		if state == string(record.Broken) {
			if !w.mayFail(x, run, s) {
				return fmt.Errorf("step %s failed, and nothing explains it: %d of its calls failed, %d attempts", s.id, w.site(x.pk, s.id).failures[run], s.policy.attempts)
			}
			v.failed = s.id
		}
		v.values[s.id] = unreached
		return nil
	}
	var got struct{ V float64 }
	if err := json.Unmarshal([]byte(output), &got); err != nil {
		return fmt.Errorf("output of %s: %w", s.id, err)
	}
	v.values[s.id] = got.V
	if s.kind == "callback" {
		for _, a := range s.answer {
			if got.V == float64(a.value) {
				return nil
			}
		}
		return fmt.Errorf("callback %s ended with %v, which nobody sent", s.id, got.V)
	}
	if x.plan.fickle {
		if call := int(got.V) / answers; call < 1 || call > w.site(x.pk, s.id).calls {
			return fmt.Errorf("step %s ended with the answer to call %d of %d", s.id, call, w.site(x.pk, s.id).calls)
		}
		got.V = float64(int(got.V) % answers)
	}
	if want := float64(answer(s.id, arg)); got.V != want {
		return fmt.Errorf("step %s ended with %v; called with %v it is %v", s.id, got.V, arg, want)
	}
	return nil
}

// mayFail reports whether something that really happened explains a failure.
func (w *world) mayFail(x *execution, run int, s *planned) bool {
	site := w.site(x.pk, s.id)
	return s.behaviour.hopeless || s.timeout > 0 || x.decisions[s.id] > 0 || site.failures[run] >= s.policy.attempts
}

// judgeAll looks at every execution once everything is over.
func (w *world) judgeAll() {
	books := map[record.Status]int{}
	for _, x := range w.order {
		m := w.table.attrs(metaKey(x.pk))
		if m == nil {
			w.fail(x.pk, "it is gone")
			return
		}
		books[x.lastStatus(m)]++
		if err := w.judgeOne(x, m); err != nil {
			w.fail(x.pk, "%v", err)
			return
		}
	}
	sum := 0
	for _, n := range books {
		sum += n
	}
	if sum != len(w.order) || books[""] > 0 {
		w.fail("", "the books do not balance: %d started, %v", len(w.order), books)
	}
}

func (w *world) judgeOne(x *execution, m table.Attrs) error {
	run, st := int(m[record.AtRun].Int()), x.lastStatus(m)
	v, err := w.judge(x, run)
	if err != nil {
		return err
	}
	if x.keptWrong(run) {
		return fmt.Errorf("run %d does not have the outcomes it should keep", run)
	}
	switch st {
	case record.Succeeded:
		if v.failed != "" || v.missing != "" {
			return fmt.Errorf("succeeded although %q failed or %q has no outcome", v.failed, v.missing)
		}
		return w.judgeOutput(x, m, v)
	case record.Failed:
		meta, err := record.DecodeImage(x.pk, m)
		if err != nil {
			return err
		}
		if meta.Error != nil && meta.Error.Category == "crashed" {
			if x.crashes < 5 {
				return fmt.Errorf("ended as crashed after %d crashes", x.crashes)
			}
			return nil
		}
		if v.failed == "" {
			return fmt.Errorf("failed although no step did: %+v", meta.Error)
		}
	case record.Cancelled, record.TimedOut: // checked as they happened
	default:
		return fmt.Errorf("is still %s", st)
	}
	return nil
}

// keptWrong is a hook for what a run keeps of the one before: an outcome that
// both runs have without a call in the later one must be the same.
func (x *execution) keptWrong(run int) bool {
	if run < 2 {
		return false
	}
	for _, s := range x.plan.steps {
		before, had := x.final[runStep(run-1, s.id)]
		now, has := x.final[runStep(run, s.id)]
		_, called := x.keys[runStep(run, s.id)]
		if has && !called && (!had || before != now) && strings.HasPrefix(now, string(record.Done)) {
			return true
		}
	}
	return false
}

// judgeOutput compares an execution's output with the plan's.
func (w *world) judgeOutput(x *execution, m table.Attrs, v verdict) error {
	packed := m[record.AtOutput].Bytes()
	if m[record.AtOutputItem].Int() != 0 {
		packed = w.table.attrs(record.OutputKey(x.pk, int(m[record.AtRun].Int())))["b"].Bytes()
	}
	plain, err := record.Unpack(packed)
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	var got map[string]any
	if err := json.Unmarshal(plain, &got); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	for _, s := range x.plan.steps {
		if got[s.id] != v.values[s.id] {
			return fmt.Errorf("output has %s = %v, a run without faults gives %v", s.id, got[s.id], v.values[s.id])
		}
	}
	return nil
}
