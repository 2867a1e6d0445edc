package workflow

import (
	"strconv"

	"github.com/seed-926d1ba8/stepline/internal/expr"
)

// graph resolves needs and orders the steps. False: what is upstream of what
// is not known.
func (p *parser) graph(doc *Document, drafts []draft, byID map[string]int) bool {
	sound := true
	for i := range drafts {
		d := &drafts[i]
		if !d.given {
			if i > 0 {
				d.step.Needs = []int{i - 1}
			}
			continue
		}
		seen := map[string]bool{}
		for n, id := range d.needs {
			at := d.pointer + "/needs/" + strconv.Itoa(n)
			j, known := byID[id]
			switch {
			case id == "":
				sound = false
			case !known:
				p.fault(at, "there is no step %q", id)
				sound = false
			case j == i:
				p.fault(at, "a step cannot need itself")
				sound = false
			case seen[id]:
				p.fault(at, "%q is there twice", id)
			default:
				d.step.Needs = append(d.step.Needs, j)
			}
			seen[id] = true
		}
	}
	if !sound {
		return false
	}
	var cycle []int
	doc.Order, cycle = order(doc.Steps)
	if cycle != nil {
		path := ""
		for _, i := range cycle {
			path += doc.Steps[i].ID + " → "
		}
		p.fault(drafts[cycle[0]].pointer+"/needs", "the steps wait for each other: %s%s; remove one of these needs", path, doc.Steps[cycle[0]].ID)
		return false
	}
	return true
}

// order is a topological order that keeps the document's where it can; or a
// cycle.
func order(steps []*Step) (order, cycle []int) {
	const (
		fresh = iota
		open
		done
	)
	state := make([]int, len(steps))
	var path []int
	var visit func(i int) bool
	visit = func(i int) bool {
		switch state[i] {
		case done:
			return true
		case open:
			for n, j := range path {
				if j == i {
					cycle = append([]int{}, path[n:]...)
				}
			}
			return false
		}
		state[i] = open
		path = append(path, i)
		for _, need := range steps[i].Needs {
			if !visit(need) {
				return false
			}
		}
		path = path[:len(path)-1]
		state[i] = done
		order = append(order, i)
		return true
	}
	for i := range steps {
		if !visit(i) {
			return nil, cycle
		}
	}
	return order, nil
}

// scope is what expressions at a step may read; nil is the output, which may
// read every step. Where the graph has a fault, what is upstream is not known:
// then any step may be read, so that the faults of expressions are told too.
func (p *parser) scope(doc *Document, s *Step) expr.Scope {
	if p.given != nil {
		return expr.Scope{Vars: p.vars, Steps: p.given, Upstream: p.given}
	}
	sc := expr.Scope{Vars: p.vars}
	upstream := map[int]bool{}
	var up func(i int)
	up = func(i int) {
		for _, need := range doc.Steps[i].Needs {
			if !upstream[need] {
				upstream[need] = true
				up(need)
			}
		}
	}
	if s != nil {
		up(s.Index)
	}
	for i, step := range doc.Steps {
		sc.Steps = append(sc.Steps, step.ID)
		if s == nil || upstream[i] {
			sc.Upstream = append(sc.Upstream, step.ID)
		}
	}
	return sc
}
