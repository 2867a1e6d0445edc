package workflow

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/expr"
)

// draft is a step whose shape is read and whose expressions are not.
type draft struct {
	step    *Step
	fields  map[string]any
	pointer string
	needs   []string
	given   bool // needs was given
}

// steps reads the steps in three passes, since each needs all of the one
// before: shapes and ids, the graph, the expressions.
func (p *parser) steps(doc *Document, raw any, there bool) {
	items, ok := raw.([]any)
	switch {
	case !there:
		return // missing, and said so
	case !ok:
		p.fault("/steps", "must be a list of steps")
		return
	case len(items) == 0:
		p.fault("/steps", "must hold at least one step")
		return
	case len(items) > MaxSteps:
		p.fault("/steps", "must hold at most %d steps; there are %d", MaxSteps, len(items))
		return
	}
	byID := map[string]int{}
	drafts := make([]draft, 0, len(items))
	sound := true
	given := []string{} // never nil, which would mean a graph without a fault
	for i, item := range items {
		d := p.shape(i, item)
		if d.step.ID != "" {
			if _, twice := byID[d.step.ID]; twice {
				p.fault(d.pointer+"/id", "the id %q is there twice; every step needs its own", d.step.ID)
				sound = false
			}
			byID[d.step.ID] = i
		} else {
			sound = false
		}
		if id, ok := d.fields["id"].(string); ok {
			given = append(given, id)
		}
		drafts = append(drafts, d)
		doc.Steps = append(doc.Steps, d.step)
	}
	if p.graph(doc, drafts, byID) && sound {
		doc.byID = byID
	} else {
		p.given = given
	}
	for _, d := range drafts {
		p.expressions(doc, d)
	}
}

func (p *parser) shape(i int, v any) draft {
	d := draft{step: &Step{Index: i, Idempotent: true}, pointer: "/steps/" + strconv.Itoa(i)}
	raw, ok := v.(map[string]any)
	if !ok {
		p.fault(d.pointer, "must be an object")
		return d
	}
	t, _ := raw["type"].(string)
	d.step.Type = Type(t)
	own, known := typeFields[d.step.Type]
	switch {
	case known:
	case laterTypes[t]:
		p.fault(d.pointer+"/type", "the step type %q is not supported by this version; use one of %s", t, listOf(typeNames()))
	case hasKey(raw, "type"):
		p.fault(d.pointer+"/type", "must be one of %s", listOf(typeNames()))
	}
	all := merged(commonFields, own)
	if !known { // its fields cannot be judged; only what every step has is read
		p.missing(d.pointer, raw)
		d.fields = map[string]any{"id": raw["id"]}
	} else if d.fields, ok = p.object(d.pointer, raw, all, laterStep); !ok {
		return d
	}
	p.common(&d, raw)
	return d
}

func (p *parser) missing(pointer string, o map[string]any) {
	for _, name := range []string{"id", "type"} {
		if !hasKey(o, name) {
			p.fault(pointer, "the field %q is missing", name)
		}
	}
}

func (p *parser) common(d *draft, o map[string]any) {
	s := d.step
	if id, ok := p.text(d.pointer, o, "id"); ok {
		if idShape.MatchString(id) {
			s.ID = id
		} else {
			p.fault(d.pointer+"/id", "must be 1 to 64 letters, digits, - and _, and begin with a letter")
		}
		if slices.Contains(reservedIDs, any(id)) {
			p.fault(d.pointer+"/id", "must not be %q: a retry from there means the whole workflow, or the steps that failed", id)
		}
	}
	s.SkipDependents = p.boolean(d.pointer, o, "skipDependents", false)
	if s.SkipDependents && !hasKey(o, "when") {
		p.fault(d.pointer+"/skipDependents", "has no meaning without when")
	}
	if raw, there := o["needs"]; there {
		d.given = true
		items, ok := raw.([]any)
		if !ok {
			p.fault(d.pointer+"/needs", "must be a list of step ids")
		}
		for i, item := range items {
			id, ok := item.(string)
			if !ok || id == "" {
				p.fault(d.pointer+"/needs/"+strconv.Itoa(i), "must be the id of a step")
			}
			d.needs = append(d.needs, id)
		}
	}
	if s.Type.calls() {
		p.calls(d)
	}
}

// calls reads what the steps that call something have in common.
func (p *parser) calls(d *draft) {
	s, o := d.step, d.fields
	s.AttemptTimeout = DefaultAttemptTimeout
	if s.Express = s.Type == StepFunctions && p.boolean(d.pointer, o, "express", false); s.Express {
		s.AttemptTimeout = MaxExpress
	}
	if t, ok := p.duration(d.pointer, o, "timeout", MaxTimeout); ok {
		if s.Timeout = t; t > p.timeout {
			p.fault(d.pointer+"/timeout", "must not be beyond the workflow's timeout of %s", FormatDuration(p.timeout))
		}
	}
	limit := s.Timeout
	if s.Type == Callback {
		limit = 0 // there, timeout is how long the callback is waited for
	}
	if t, ok := p.duration(d.pointer, o, "attemptTimeout", MaxAttemptTimeout); ok {
		switch s.AttemptTimeout = t; {
		case limit > 0 && t > limit:
			p.fault(d.pointer+"/attemptTimeout", "must not be beyond the step's timeout of %s", FormatDuration(limit))
		case t > p.timeout:
			p.fault(d.pointer+"/attemptTimeout", "must not be beyond the workflow's timeout of %s", FormatDuration(p.timeout))
		}
	} else if limit > 0 {
		s.AttemptTimeout = min(s.AttemptTimeout, limit)
	}
	s.Retry = p.retry
	if raw, there := o["retry"]; there {
		s.Retry = p.policy(d.pointer+"/retry", raw, p.retry)
	}
	s.Idempotent = p.boolean(d.pointer, o, "idempotent", !s.Express)
	if !s.Idempotent && hasKey(o, "retry") && s.Retry.Attempts > 1 {
		p.warnings = append(p.warnings, Fault{d.pointer + "/retry", "with idempotent: false only failures that are certain to have had no effect are retried; an unclear end waits for an operator"})
	}
}

// expressions compiles a step's templates, now that it is known what is
// upstream of it.
func (p *parser) expressions(doc *Document, d draft) {
	s, o := d.step, d.fields
	scope := p.scope(doc, s)
	if src, ok := p.text(d.pointer, o, "when"); ok && strings.HasPrefix(strings.TrimSpace(src), "{{") {
		p.fault(d.pointer+"/when", "must be the bare expression, without {{ and }} around it")
	} else if ok {
		cond, faults := expr.CompileCondition(src, scope)
		for _, f := range faults {
			p.fault(d.pointer+"/when", "%s", f.Detail)
		}
		s.When = cond
	}
	if raw, there := o["request"]; there {
		scope.Callback = s.Type == Callback
		s.Request, s.Auth = p.request(d.pointer+"/request", raw, scope)
	}
	switch s.Type {
	case Webhook:
		p.webhook(d, scope)
	case StepFunctions:
		p.stateMachine(d, scope)
	case Transform:
		if raw, there := o["output"]; there {
			s.Value = p.template(d.pointer+"/output", raw, scope)
		}
	case Wait:
		p.wait(d, scope)
	case Callback:
		if raw, there := o["schema"]; there {
			s.payload = p.schema(d.pointer+"/schema", raw)
		}
	}
}

func (p *parser) wait(d draft, scope expr.Scope) {
	s, o := d.step, d.fields
	duration, until := hasKey(o, "duration"), hasKey(o, "until")
	if duration == until {
		p.fault(d.pointer, "a wait needs either duration or until")
		return
	}
	if src, ok := p.text(d.pointer, o, "duration"); ok {
		if s.Duration = p.template(d.pointer+"/duration", src, scope); s.Duration != nil && s.Duration.Static() {
			if t, ok := p.duration(d.pointer, o, "duration", MaxTimeout); ok && p.limited && t > p.timeout {
				p.fault(d.pointer+"/duration", "must not be beyond the workflow's timeout of %s", FormatDuration(p.timeout))
			}
		}
	}
	if src, ok := p.text(d.pointer, o, "until"); ok {
		if s.Until = p.template(d.pointer+"/until", src, scope); s.Until != nil && s.Until.Static() {
			if _, err := time.Parse(time.RFC3339, src); err != nil {
				p.fault(d.pointer+"/until", `must be an RFC 3339 time such as "2030-01-31T08:00:00Z", or an expression`)
			}
		}
	}
}

var methods = names("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

// request checks what can be known of a request before it is made, and
// compiles it, but for how it authenticates. Without a method it is a GET.
func (p *parser) request(pointer string, v any, scope expr.Scope) (*expr.Template, *Auth) {
	o, ok := p.object(pointer, v, requestFields, laterRequest)
	if !ok {
		return nil, nil
	}
	if m, ok := p.text(pointer, o, "method"); ok && !dynamic(m) && !methods[m] {
		p.fault(pointer+"/method", "must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS")
	}
	p.target(pointer, o, "headers", "query")
	var auth *Auth
	if raw, there := o["auth"]; there {
		if auth = p.auth(pointer+"/auth", raw); auth != nil {
			p.onceOnly(pointer, o, auth.HeaderName())
		}
	}
	open := maps.Clone(o)
	delete(open, "auth")
	return p.template(pointer, open, scope), auth
}

// webhook compiles what a webhook step sends, and how it is signed.
func (p *parser) webhook(d draft, scope expr.Scope) {
	p.target(d.pointer, d.fields, "headers")
	request := map[string]any{"method": "POST"}
	for name := range messageFields {
		if v, there := d.fields[name]; there {
			request[name] = v
		}
	}
	d.step.Request = p.template(d.pointer, request, scope)
	raw, there := d.fields["sign"]
	if !there {
		return // missing, and said so
	}
	if d.step.Sign = p.signature(d.pointer+"/sign", raw); d.step.Sign != nil {
		p.onceOnly(d.pointer, d.fields, d.step.Sign.Scheme.Headers()...)
	}
}

// stateMachineShape is the ARN of a state machine, of an alias or a version.
var stateMachineShape = regexp.MustCompile(`^arn:aws[a-z-]*:states:[a-z0-9-]+:\d{12}:stateMachine:[^:\s]+(:[^:\s]+)?$`)

func (p *parser) stateMachine(d draft, scope expr.Scope) {
	request := map[string]any{"express": d.step.Express}
	if arn, ok := p.text(d.pointer, d.fields, "stateMachine"); ok {
		if request["stateMachine"] = arn; !dynamic(arn) && !stateMachineShape.MatchString(arn) {
			p.fault(d.pointer+"/stateMachine", "must be the ARN of a state machine, such as arn:aws:states:eu-central-1:123456789012:stateMachine:orders, or an expression")
		}
	}
	if input, there := d.fields["input"]; there {
		request["input"] = input
	}
	if !d.step.Express && !d.step.Idempotent {
		p.fault(d.pointer+"/idempotent", "must be true: a Standard state machine is started under a name, so starting it twice starts it once")
	}
	d.step.Request = p.template(d.pointer, request, scope)
}

// target checks the address and the objects beside it.
func (p *parser) target(pointer string, o map[string]any, objects ...string) {
	if u, ok := p.text(pointer, o, "url"); ok && !strings.HasPrefix(u, "{{") {
		p.address(pointer+"/url", u)
	}
	p.headers(pointer, o)
	for _, name := range objects {
		raw, there := o[name]
		values, ok := raw.(map[string]any)
		if s, text := raw.(string); there && !ok && (!text || !dynamic(s)) {
			p.fault(pointer+"/"+name, "must be an object")
		}
		for k, v := range values {
			switch v.(type) {
			case map[string]any, nil:
				p.fault(pointer+"/"+name+"/"+escape(k), "must be a string, a number or an expression")
			}
		}
	}
}

// onceOnly refuses headers in the document that are set for it.
func (p *parser) onceOnly(pointer string, o map[string]any, own ...string) {
	headers, _ := o["headers"].(map[string]any)
	for name := range headers {
		if slices.ContainsFunc(own, func(n string) bool { return strings.EqualFold(n, name) }) {
			p.fault(pointer+"/headers/"+escape(name), "must not be given: auth or sign sets it")
		}
	}
}

func dynamic(s string) bool { return strings.Contains(s, "{{") }

func (p *parser) address(pointer, raw string) {
	fixed, _, _ := strings.Cut(raw, "{{")
	u, err := url.Parse(fixed)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" && fixed == raw {
		p.fault(pointer, "must be an absolute http or https address, or begin with an expression")
		return
	}
	if u.User != nil {
		p.fault(pointer, "must not hold a user or password; name a secret with auth instead")
	}
}
