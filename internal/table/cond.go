package table

// Holds evaluates the condition against an item as it stands; nil is an absent
// item. Every driver that evaluates conditions itself uses it, so that they
// cannot disagree.
func (c Cond) Holds(old Attrs) bool {
	for _, all := range c {
		if allHold(all, old) {
			return true
		}
	}
	return false
}

func allHold(tests []Test, old Attrs) bool {
	for i := range tests {
		if !tests[i].holds(old) {
			return false
		}
	}
	return true
}

func (t *Test) holds(old Attrs) bool {
	have, present := old[t.Attr]
	if t.Attr == SKAttr {
		present = old != nil
	}
	switch t.Op {
	case Absent:
		return !present
	case Present:
		return present
	case Ne:
		return !present || have != t.Value
	}
	if !present || have.kind != t.Value.kind {
		return false
	}
	order := have.compare(t.Value)
	switch t.Op {
	case Eq:
		return order == 0
	case Lt:
		return order < 0
	case Le:
		return order <= 0
	case Gt:
		return order > 0
	case Ge:
		return order >= 0
	}
	return false
}

// compare orders two values of one kind: numbers by size, the others bytewise.
func (v Value) compare(w Value) int {
	switch {
	case v.kind == KindInt && v.num < w.num, v.kind != KindInt && v.str < w.str:
		return -1
	case v == w:
		return 0
	}
	return 1
}
