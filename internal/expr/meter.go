package expr

import (
	"fmt"
	"reflect"
	"regexp"
	"sync"

	"github.com/expr-lang/expr/vm"
)

// What things cost, in steps of MaxWork. Building is dearer than looking,
// because what is built also stays in memory.
const (
	perVisit = 4  // a value of a result, an element searched
	perValue = 16 // a value looked into or an element of a list built
	perEntry = 64 // an entry of an object built, an element sorted

	bytesRead  = 8 // of a string looked at, for one step
	bytesBuilt = 2 // of a string built, for one step
)

var errWork = &Error{Message: fmt.Sprintf("it takes too much work or builds too much: more than %d steps", MaxWork)}

// meterName is where functions of the language find the meter of their
// evaluation. No identifier can be written like that.
const meterName = " meter"

// meter counts the work of one evaluation down. A nil meter counts nothing.
type meter struct {
	left int

	// The last pattern that was not known before: a loop mostly has but one.
	source string
	last   *pattern
}

// spend pays for n steps, before they are taken.
func (m *meter) spend(n int) error {
	if m == nil {
		return nil
	}
	if n > m.left {
		m.left = 0
		return errWork
	}
	m.left -= n
	return nil
}

// look pays for looking through the strings among args.
func (m *meter) look(args ...any) error {
	n := 0
	for _, a := range args {
		if s, ok := a.(string); ok {
			n += len(s) / bytesRead
		}
	}
	return m.spend(n + 1)
}

// build pays for a string of n bytes.
func (m *meter) build(n int) error { return m.spend(n/bytesBuilt + 1) }

// deep pays for looking through v and all that is in it.
func (m *meter) deep(v any, depth int) error {
	if depth > maxNesting {
		return errNesting
	}
	if err := m.spend(perValue); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil, bool, int, float64:
		return nil
	case string:
		return m.look(v)
	case []any:
		for _, e := range v {
			if err := m.deep(e, depth+1); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		for k, e := range v {
			if err := m.entry(k, e, depth); err != nil {
				return err
			}
		}
		return nil
	}
	return m.deepReflected(reflect.ValueOf(v), depth)
}

// deepReflected is deep for what the language's own functions return.
func (m *meter) deepReflected(v reflect.Value, depth int) error {
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := m.deep(v.Index(i).Interface(), depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := m.entry(it.Key().Interface(), it.Value().Interface(), depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *meter) entry(k, v any, depth int) error {
	if err := m.deep(k, depth+1); err != nil {
		return err
	}
	return m.deep(v, depth+1)
}

// pattern is a regular expression with the number of its instructions, which
// each byte of a text may meet.
type pattern struct {
	re   *regexp.Regexp
	size int
}

// machine evaluates: a VM, what it reads and what it may still spend.
type machine struct {
	vm    vm.VM
	env   map[string]any
	meter meter
}

// machines keeps machines for the next evaluation: their stacks are most of
// its cost.
var machines = sync.Pool{New: func() any {
	return &machine{vm: vm.VM{MemoryBudget: vmBudget}, env: map[string]any{}}
}}

func machineFor(env Env) *machine {
	m := machines.Get().(*machine)
	m.meter = meter{left: MaxWork}
	for k, v := range env {
		m.env[k] = v
	}
	m.env[meterName] = &m.meter
	return m
}

func (m *machine) release() {
	clear(m.env)
	machines.Put(m)
}

// run evaluates a program. The VM turns every panic into an error; the text of
// such an error may quote a value, so only its first words are kept where they
// are known to be harmless.
func (m *machine) run(p *vm.Program) (any, error) {
	v, err := m.vm.Run(p, m.env)
	clear(m.vm.Stack[:cap(m.vm.Stack)])
	m.vm.Stack = m.vm.Stack[:0]
	if err != nil {
		return nil, &Error{Message: runtimeMessage(err)}
	}
	return v, nil
}

// result is run for a value that leaves the language.
func (m *machine) result(p *vm.Program) (any, error) {
	v, err := m.run(p)
	if err != nil {
		return nil, err
	}
	return normal(v, 0, &m.meter)
}
