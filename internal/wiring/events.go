package wiring

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// apiFunctions are the functions that answer HTTP.
var apiFunctions = []string{"execute", "status", "cancel", "admin"}

func (t *template) readEvent(w *Wiring, f Function, key, event *yaml.Node) error {
	kind, err := t.text(mustChild(event, "Type"), f.ID)
	if err != nil {
		return err
	}
	props := mustChild(event, "Properties")
	switch kind {
	case "HttpApi":
		return t.readRoute(w, f, key, props)
	case "SQS":
		return t.readSource(w, f, key, props)
	case "Schedule":
		return t.readSchedule(w, f, key, props)
	}
	return t.errorAt(key, f.ID, "event %s has Type %q; it must be HttpApi, SQS or Schedule", key.Value, kind)
}

var (
	methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
	segment = regexp.MustCompile(`^(\{[A-Za-z][A-Za-z0-9]*\}|[A-Za-z0-9._~-]+)$`)
)

func (t *template) readRoute(w *Wiring, f Function, key, props *yaml.Node) error {
	what := "event " + key.Value
	if err := t.known(props, f.ID, what, "ApiId", "Method", "Path", "PayloadFormatVersion", "TimeoutInMillis"); err != nil {
		return err
	}
	if !slices.Contains(apiFunctions, f.Name) {
		return t.errorAt(key, f.ID, "%s is a route, but functions/%s answers no API call; those are %s", what, f.Name, strings.Join(apiFunctions, ", "))
	}
	for _, name := range []string{"Method", "Path"} {
		if n, ok := child(props, name); ok && n.Kind != yaml.ScalarNode || ok && !strings.HasPrefix(n.Tag, "!!") {
			return t.errorAt(n, f.ID, "%s has a %s that is made when deploying; it must be written out, since the functions are built with it", what, name)
		}
	}
	method, err := t.text(mustChild(props, "Method"), f.ID)
	if err != nil {
		return err
	}
	if method = strings.ToUpper(method); !slices.Contains(methods, method) {
		return t.errorAt(key, f.ID, "%s has Method %q; it must be one of %s", what, method, strings.Join(methods, ", "))
	}
	p, err := t.text(mustChild(props, "Path"), f.ID)
	if err != nil {
		return err
	}
	if !validPath(p) {
		return t.errorAt(key, f.ID, "%s has Path %q; a path such as /v1/executions/{id} is expected", what, p)
	}
	r := Route{Method: method, Path: p, Operation: key.Value, Function: f.Name, At: t.errorAt(key, f.ID, "%s", what).Error()}
	for _, o := range w.Routes {
		if o.Method == r.Method && shape(o.Path) == shape(r.Path) {
			return t.errorAt(key, f.ID, "%s has the route %s %s, which %s has already", what, method, p, o.Operation)
		}
		if o.Operation == r.Operation {
			return t.errorAt(key, f.ID, "%s is declared twice, here and for functions/%s", what, o.Function)
		}
	}
	w.Routes = append(w.Routes, r)
	return nil
}

func validPath(p string) bool {
	rest, ok := strings.CutPrefix(p, "/")
	seen := map[string]bool{}
	for s := range strings.SplitSeq(rest, "/") {
		if !segment.MatchString(s) || s[0] == '{' && seen[s] {
			return false
		}
		seen[s] = true
	}
	return ok
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// shape is a path without its parameters' names: two routes of one shape
// cannot be told apart.
func shape(p string) string { return parameter.ReplaceAllString(p, "{}") }

func (t *template) readSource(w *Wiring, f Function, key, props *yaml.Node) error {
	what := "event " + key.Value
	if err := t.known(props, f.ID, what, "Queue", "BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig"); err != nil {
		return err
	}
	id, err := t.queueNamed(mustChild(props, "Queue"), f.ID, what)
	if err != nil {
		return err
	}
	lane := laneOf(id)
	l := w.Lanes[lane]
	if l.Consumer != "" {
		return t.errorAt(key, f.ID, "%s names queue %s, which has a consumer already", what, id)
	}
	if l.Batch, err = t.number(props, "BatchSize", f.ID, queue.MaxBatch, 1, queue.MaxBatch); err != nil {
		return err
	}
	window, err := t.number(props, "MaximumBatchingWindowInSeconds", f.ID, 0, 0, 300)
	if err != nil {
		return err
	}
	if l.Concurrency, err = t.number(mustChild(props, "ScalingConfig"), "MaximumConcurrency", f.ID, 0, 2, 1000); err != nil {
		return err
	}
	if !t.reportsFailures(props) {
		return t.errorAt(key, f.ID, "%s needs FunctionResponseTypes: [ReportBatchItemFailures], or one failed message brings its whole batch back", what)
	}
	l.Consumer, l.Timeout, l.Memory, l.Window, l.consumerNode = f.Name, f.Timeout, f.Memory, seconds(window), key
	w.Lanes[lane] = l
	return nil
}

func (t *template) reportsFailures(props *yaml.Node) bool {
	types, ok := child(props, "FunctionResponseTypes")
	return ok && slices.ContainsFunc(types.Content, func(n *yaml.Node) bool { return n.Value == "ReportBatchItemFailures" })
}

var rate = regexp.MustCompile(`^rate\((\d{1,6}) (minute|hour|day)s?\)$`)

var units = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

func (t *template) readSchedule(w *Wiring, f Function, key, props *yaml.Node) error {
	what := "event " + key.Value
	if err := t.known(props, f.ID, what, "Schedule", "Name", "Description", "Enabled", "Input", "RetryPolicy"); err != nil {
		return err
	}
	if f.Name != "sweeper" {
		return t.errorAt(key, f.ID, "%s is a schedule, but functions/%s is not called by one", what, f.Name)
	}
	s, err := t.text(mustChild(props, "Schedule"), f.ID)
	if err != nil {
		return err
	}
	if n, ok := child(props, "Enabled"); ok {
		on, err := t.text(n, f.ID)
		if err != nil {
			return err
		}
		if on != "true" {
			return t.errorAt(n, f.ID, "%s has Enabled %q; it must be true, or executions that a crash has left behind stay where they are", what, on)
		}
	}
	m := rate.FindStringSubmatch(s)
	if m == nil {
		return t.errorAt(key, f.ID, "%s has Schedule %q; a rate such as rate(1 minute) is expected", what, s)
	}
	n, _ := strconv.Atoi(m[1]) // digits only, so it cannot fail
	if n == 0 {
		return t.errorAt(key, f.ID, "%s has Schedule %q; the rate must be at least 1", what, s)
	}
	w.Schedules = append(w.Schedules, Schedule{Function: f.Name, Every: time.Duration(n) * units[m[2]]})
	return nil
}
