package wiring

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// Functions lists the functions of this version by name.
var Functions = []string{"execute", "status", "cancel", "admin", "webhook", "worker", "deadletter", "sweeper"}

// AWS's defaults and limits for functions, in seconds.
const (
	defaultTimeout = 3
	maxTimeout     = 900
)

// AWS's defaults and limits for functions, in MB.
const (
	defaultMemory = 128
	minMemory     = 128
	maxMemory     = 10240
)

func readFunctions(t *template, w *Wiring) error {
	for _, r := range t.ofKind(functionKind) {
		f, err := t.readFunction(r)
		if err != nil {
			return err
		}
		w.Functions = append(w.Functions, f)
		if _, ok := child(r.props, "FunctionUrlConfig"); ok {
			if err := t.readURL(w, r, f); err != nil {
				return err
			}
		}
		err = each(mustChild(r.props, "Events"), func(key, event *yaml.Node) error {
			return t.readEvent(w, f, key, event)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *template) readFunction(r *resource) (Function, error) {
	f := Function{ID: r.id}
	handler, ok := child(r.props, "Handler")
	if !ok {
		return f, t.errorAt(r.node, r.id, "has no Handler; the name of its folder under functions is expected")
	}
	var err error
	if f.Name, err = t.text(handler, r.id); err != nil {
		return f, err
	}
	if !slices.Contains(Functions, f.Name) {
		return f, t.errorAt(handler, r.id, "Handler %s is no function of this version; the functions are %s", f.Name, strings.Join(Functions, ", "))
	}
	timeout, memory := defaultTimeout, defaultMemory
	for _, props := range []*yaml.Node{t.globals, r.props} {
		if timeout, err = t.number(props, "Timeout", r.id, timeout, 1, maxTimeout); err != nil {
			return f, err
		}
		if memory, err = t.number(props, "MemorySize", r.id, memory, minMemory, maxMemory); err != nil {
			return f, err
		}
	}
	f.Timeout, f.Memory = seconds(timeout), memory
	return f, nil
}

// readVariables comes after everything else, so that a queue that is missing
// is reported where it is consumed.
func readVariables(t *template, w *Wiring) (err error) {
	for i, f := range w.Functions {
		if w.Functions[i].Env, err = t.readEnv(t.resources[f.ID], needed(w, f)); err != nil {
			return err
		}
	}
	return nil
}

// needed are the variables by which a deployed function finds what this program
// has anyway, with what they are set to: the table, the lanes that every
// function may send to, and the one that SQS alone sends to where it is fed
// from that.
func needed(w *Wiring, f Function) map[string]string {
	vars := map[string]string{"STEPLINE_TABLE": "!Ref Table"}
	for _, l := range lanes {
		if l.lane != queue.Dead || w.Lanes[l.lane].Consumer == f.Name {
			vars[queueVariable+strings.ToUpper(string(l.lane))] = "!Ref " + l.queue
		}
	}
	return vars
}

// queueVariable begins the names of the variables with the lanes' addresses.
const queueVariable = "STEPLINE_QUEUE_"

// readEnv collects the literal environment variables. A value that AWS fills in
// (a table's name) means nothing on one machine and is left out, but where it is
// needed it must be there: the function would not start.
func (t *template) readEnv(r *resource, needed map[string]string) (map[string]string, error) {
	env, set := map[string]string{}, map[string]bool{}
	for _, props := range []*yaml.Node{t.globals, r.props} {
		err := each(mustChild(mustChild(props, "Environment"), "Variables"), func(key, value *yaml.Node) error {
			if lane, ok := strings.CutPrefix(key.Value, queueVariable); ok {
				set[key.Value] = true
				return t.checkQueueVariable(key, value, r.id, lane)
			}
			s, err := t.text(value, r.id)
			set[key.Value] = s != ""
			if err == nil && !strings.Contains(s, "${") {
				env[key.Value] = s
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		if set[name] {
			continue
		}
		return nil, t.errorAt(r.node, r.id, "has no variable %s, without which the function does not start; %s is expected", name, needed[name])
	}
	return env, nil
}

// checkQueueVariable makes sure that STEPLINE_QUEUE_<LANE>, by which a deployed
// function finds a lane, names the queue that carries it here.
func (t *template) checkQueueVariable(key, value *yaml.Node, of, lane string) error {
	id, err := t.queueNamed(value, of, key.Value)
	if err != nil {
		return err
	}
	if !strings.EqualFold(string(laneOf(id)), lane) {
		return t.errorAt(value, of, "%s names %s, which is the %s lane", key.Value, id, laneOf(id))
	}
	return nil
}

func (t *template) readURL(w *Wiring, r *resource, f Function) error {
	if f.Name != "webhook" {
		return t.errorAt(r.node, r.id, "has a FunctionUrlConfig; only functions/webhook is reached by its own address")
	}
	n := mustChild(mustChild(r.props, "FunctionUrlConfig"), "AuthType")
	if n == nil {
		return t.errorAt(r.node, r.id, "FunctionUrlConfig has no AuthType; the webhook address has AuthType NONE, its signatures are the authentication")
	}
	if auth, err := t.text(n, r.id); err != nil || auth != "NONE" {
		if err != nil {
			return err
		}
		return t.errorAt(n, r.id, "FunctionUrlConfig has AuthType %s; the webhook address has AuthType NONE, its signatures are the authentication", auth)
	}
	w.FunctionURLs = append(w.FunctionURLs, r.id)
	return nil
}

// checkFunctions makes sure that each function that this version needs exists,
// and that the two that nothing else calls are called.
func checkFunctions(t *template, w *Wiring) error {
	for _, name := range Functions {
		if _, ok := w.Function(name); !ok {
			return &Error{File: t.file, Detail: "has no function with Handler " + name}
		}
	}
	if f, _ := w.Function("webhook"); len(w.FunctionURLs) == 0 {
		return t.errorAt(t.resources[f.ID].node, f.ID, "has no FunctionUrlConfig; callbacks need its address, {AuthType: NONE}")
	}
	for _, s := range w.Schedules {
		if s.Function == "sweeper" {
			return nil
		}
	}
	f, _ := w.Function("sweeper")
	return t.errorAt(t.resources[f.ID].node, f.ID, "has no Schedule event; rate(1 minute) is expected")
}

// checkReferences refuses every Ref, GetAtt and Sub, wherever it stands, that
// names nothing.
func checkReferences(t *template, _ *Wiring) error {
	if err := t.checkNames(t.globals, "Globals"); err != nil {
		return err
	}
	for _, id := range t.order {
		if err := t.checkNames(t.resources[id].props, id); err != nil {
			return err
		}
	}
	return t.checkNames(mustChild(t.root, "Outputs"), "Outputs")
}

func (t *template) checkNames(n *yaml.Node, of string) error {
	if n == nil {
		return nil
	}
	switch name, arg := intrinsic(n); {
	case name == "Ref" && n.Kind == yaml.ScalarNode, name == "GetAtt", name == "Sub" && arg.Kind == yaml.ScalarNode:
		_, err := t.text(n, of)
		return err
	}
	for _, c := range n.Content {
		if err := t.checkNames(c, of); err != nil {
			return err
		}
	}
	return nil
}
