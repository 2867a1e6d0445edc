package workflow

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// Parse reads a document in JSON (it begins with a brace) or YAML. The error is
// a *SyntaxError for what is neither, otherwise Faults, every fault at once.
func Parse(data []byte) (*Document, error) {
	v, err := read(data)
	if err != nil {
		return nil, err
	}
	p := &parser{}
	doc := p.document(v)
	if len(p.faults) > 0 {
		sort.SliceStable(p.faults, func(i, j int) bool { return p.faults[i].Pointer < p.faults[j].Pointer })
		return nil, p.faults
	}
	source, err := expr.Encode(v)
	if err != nil {
		return nil, Faults{{"", "the document nests too deep"}}
	}
	doc.source = source
	return doc, nil
}

// parser collects the faults of one document.
type parser struct {
	faults   Faults
	warnings []Fault
	vars     map[string]any
	retry    retry.Policy
	timeout  time.Duration
	limited  bool     // timeout was given; a start may give another than the default
	given    []string // ids as they stand there, where the graph has a fault; nil where it has none
}

func (p *parser) fault(pointer, format string, args ...any) {
	p.faults = append(p.faults, Fault{pointer, fmt.Sprintf(format, args...)})
}

var (
	nameShape = regexp.MustCompile(namePattern)
	idShape   = regexp.MustCompile(idPattern)
)

func (p *parser) document(v any) *Document {
	o, ok := p.object("", v, documentFields, laterDocument)
	if !ok {
		return nil
	}
	doc := &Document{Timeout: DefaultTimeout, Vars: map[string]any{}}
	if name, ok := p.text("", o, "name"); ok {
		if doc.Name = name; !nameShape.MatchString(name) {
			p.fault("/name", "must be 1 to 63 of a-z, 0-9, - and _, and begin with a letter or digit")
		}
	}
	if raw, there := o["vars"]; there {
		if vars, ok := raw.(map[string]any); ok {
			doc.Vars = vars
		} else {
			p.fault("/vars", "must be an object")
		}
	}
	if d, ok := p.duration("", o, "timeout", MaxTimeout); ok {
		doc.Timeout, p.limited = d, true
	}
	p.vars, p.timeout, p.retry = doc.Vars, doc.Timeout, retry.Production
	if raw, there := o["retry"]; there {
		p.retry = p.policy("/retry", raw, retry.Production)
	}
	if raw, there := o["input"]; there {
		doc.schema = p.schema("/input", raw)
	}
	p.steps(doc, o["steps"], hasKey(o, "steps"))
	if raw, there := o["output"]; there && (doc.byID != nil || p.given != nil) {
		doc.Output = p.template("/output", raw, p.scope(doc, nil))
	}
	doc.warnings = p.warnings
	return doc
}

func hasKey(o map[string]any, k string) bool { _, there := o[k]; return there }

// object checks that v is an object with known fields, and has those it needs.
func (p *parser) object(pointer string, v any, known fields, later map[string]bool) (map[string]any, bool) {
	o, ok := v.(map[string]any)
	if !ok {
		p.fault(pointer, "must be an object")
		return nil, false
	}
	for name := range o {
		switch _, is := known[name]; {
		case is:
		case later[name]:
			p.fault(pointer+"/"+escape(name), "the field %q is not supported by this version", name)
		default:
			p.fault(pointer+"/"+escape(name), "there is no field %q here; the fields are %s", name, list(known.names()))
		}
	}
	for _, name := range known.names() {
		if known[name].required && !hasKey(o, name) {
			p.fault(pointer, "the field %q is missing", name)
		}
	}
	return o, true
}

func listOf(names []any) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i], _ = n.(string)
	}
	return list(texts)
}

func list(names []string) string {
	out := ""
	for i, n := range names {
		switch {
		case i > 0 && i == len(names)-1:
			out += " and "
		case i > 0:
			out += ", "
		}
		out += n
	}
	return out
}

func (p *parser) text(pointer string, o map[string]any, name string) (string, bool) {
	raw, there := o[name]
	if !there {
		return "", false
	}
	s, ok := raw.(string)
	if !ok {
		p.fault(pointer+"/"+name, "must be a string")
	}
	return s, ok
}

func (p *parser) boolean(pointer string, o map[string]any, name string, def bool) bool {
	raw, there := o[name]
	if !there {
		return def
	}
	b, ok := raw.(bool)
	if !ok {
		p.fault(pointer+"/"+name, "must be true or false")
		return def
	}
	return b
}

// duration reads a positive duration of at most most.
func (p *parser) duration(pointer string, o map[string]any, name string, most time.Duration) (time.Duration, bool) {
	raw, there := o[name]
	if !there {
		return 0, false
	}
	s, _ := raw.(string) // what is no text is no duration either
	d, err := ParseDuration(s)
	switch {
	case err != nil:
		p.fault(pointer+"/"+name, "%s", err)
	case d < time.Millisecond:
		p.fault(pointer+"/"+name, "must be at least 1ms")
	case d > most:
		p.fault(pointer+"/"+name, "must be at most %s", FormatDuration(most))
	default:
		return d, true
	}
	return 0, false
}

// policy reads a preset's name or a policy; fields that are absent are those
// of def.
func (p *parser) policy(pointer string, v any, def retry.Policy) retry.Policy {
	if name, ok := v.(string); ok {
		preset, known := presets[name]
		if !known {
			p.fault(pointer, `there is no preset %q; the presets are development, none and production (named policies are not supported by this version)`, name)
		}
		return preset
	}
	o, ok := p.object(pointer, v, retryFields, laterRetry)
	if !ok {
		return def
	}
	out := def
	if s, ok := p.choice(pointer, o, "strategy", laterStrategy, "exponential", "fixed", "none"); ok {
		if out.Strategy = retry.Strategy(s); out.Strategy == retry.None {
			out.Attempts = 1
		}
	}
	if s, ok := p.choice(pointer, o, "jitter", laterJitter, "full", "equal", "none"); ok {
		out.Jitter = retry.Jitter(s)
	}
	if raw, there := o["attempts"]; there {
		n, ok := raw.(int)
		if out.Attempts = n; !ok || n < 1 || n > retry.MaxAttempts {
			p.fault(pointer+"/attempts", "must be a whole number from 1 to %d", retry.MaxAttempts)
		}
		if ok && n > 1 && out.Strategy == retry.None {
			p.fault(pointer+"/attempts", `must be 1 with the strategy "none"`)
		}
	}
	p.delays(pointer, o, &out)
	if raw, there := o["on"]; there {
		out.On = p.categories(pointer+"/on", raw)
	}
	return out
}

func (p *parser) delays(pointer string, o map[string]any, out *retry.Policy) {
	if d, ok := p.duration(pointer, o, "initial", retry.MaxDelay); ok {
		out.Initial = d
		if !hasKey(o, "max") {
			out.Max = max(out.Max, d)
		}
	}
	if d, ok := p.duration(pointer, o, "max", retry.MaxDelay); ok {
		out.Max = d
		if !hasKey(o, "initial") {
			out.Initial = min(out.Initial, d)
		}
		if d < out.Initial {
			p.fault(pointer+"/max", "must not be less than initial")
		}
	}
}

func (p *parser) choice(pointer string, o map[string]any, name string, later map[string]bool, known ...string) (string, bool) {
	s, ok := p.text(pointer, o, name)
	if !ok {
		return "", false
	}
	for _, k := range known {
		if s == k {
			return s, true
		}
	}
	if later[s] {
		p.fault(pointer+"/"+name, "%q is not supported by this version; it must be one of %s", s, list(known))
	} else {
		p.fault(pointer+"/"+name, "must be one of %s", list(known))
	}
	return "", false
}

func (p *parser) categories(pointer string, v any) []retry.Category {
	items, ok := v.([]any)
	if !ok || len(items) == 0 {
		p.fault(pointer, `must be a list of error categories, such as [network, timeout]`)
		return nil
	}
	var out []retry.Category
	for i, item := range items {
		s, _ := item.(string)
		known := false
		for _, c := range retry.Categories {
			known = known || string(c) == s
		}
		if !known {
			p.fault(pointer+"/"+strconv.Itoa(i), "must be one of the error categories: %v", categoryNames())
			continue
		}
		out = append(out, retry.Category(s))
	}
	return out
}

func (p *parser) template(pointer string, v any, s expr.Scope) *expr.Template {
	t, faults := expr.CompileTemplate(v, s)
	for _, f := range faults {
		p.fault(pointer+f.Pointer, "%s", f.Detail)
	}
	return t
}
