package workflow

import (
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/sign"
)

// Limits and defaults of a source (README, Limits).
const (
	// DefaultDedupe is longer than the providers we know go on retrying.
	DefaultDedupe = 3 * 24 * time.Hour
	// MaxDedupe keeps the record of an event within the life of what it starts.
	MaxDedupe  = 30 * 24 * time.Hour
	MaxSecrets = 8
)

// Source is a parsed, validated source: an origin of signed webhooks, and the
// workflow that each of its events starts. It is immutable.
type Source struct {
	Name    string
	Scheme  *sign.Scheme
	Secrets []string // names; each is accepted, so that they can be rotated

	// DedupeKey is an event's own name; nil: the id of the scheme or, where it
	// has none, the body's hash.
	DedupeKey *expr.Template
	// DedupeTTL is how long an event's repetition is known for one: at
	// least a minute longer than its timestamp counts.
	DedupeTTL time.Duration

	Workflow string
	Version  int            // 0: the live one
	Input    *expr.Template // of the execution, from the event; nil: the body

	source   []byte
	warnings []Fault
}

// Source is the document as canonical JSON. It names secrets and holds none.
func (s *Source) Source() []byte { return s.source }

// Warnings are legal but suspicious places of the document.
func (s *Source) Warnings() []Fault { return s.warnings }

var (
	toleranceSchema = map[string]any{"type": "string", "description": "how far a timestamp may be off, at most 1d", "default": "5m"}
	verifyFields    = fields{
		"secrets":   {map[string]any{"type": "array", "items": aSecret, "minItems": 1, "maxItems": MaxSecrets, "uniqueItems": true}, true},
		"tolerance": {toleranceSchema, false},
	}
	dedupeFields = fields{"key": {text, false}, "ttl": {aDuration, false}}
	startFields  = fields{
		"workflow": {aName, true},
		"version":  {map[string]any{"type": "integer", "minimum": 1}, false},
		"input":    {aTemplate, false},
	}
	sourceFields = fields{
		"name":   {aName, true},
		"verify": {anyObject, true},
		"dedupe": {objectSchema(dedupeFields), false},
		"start":  {objectSchema(startFields), true},
	}
	laterSource = names("deliver", "events", "respond", "on", "priority", "tags")
)

// SourceSchema is the JSON Schema (2020-12) of a source, from the tables the
// parser reads.
func SourceSchema() map[string]any {
	return objectSchema(merged(sourceFields, fields{"verify": {schemeSchema(verifyFields), true}}))
}

// ParseSource reads a source in JSON or YAML. Errors are those of Parse.
func ParseSource(data []byte) (*Source, error) {
	v, err := read(data)
	if err != nil {
		return nil, err
	}
	p := &parser{}
	s := p.sourceOf(v)
	if len(p.faults) > 0 {
		sort.SliceStable(p.faults, func(i, j int) bool { return p.faults[i].Pointer < p.faults[j].Pointer })
		return nil, p.faults
	}
	if s.source, err = expr.Encode(v); err != nil {
		return nil, Faults{{"", "the document nests too deep"}}
	}
	s.warnings = p.warnings
	return s, nil
}

func (p *parser) sourceOf(v any) *Source {
	o, ok := p.object("", v, sourceFields, laterSource)
	if !ok {
		return nil
	}
	s := &Source{DedupeTTL: DefaultDedupe}
	if name, ok := p.text("", o, "name"); ok {
		if s.Name = name; !nameShape.MatchString(name) {
			p.fault("/name", "must be 1 to 63 of a-z, 0-9, - and _, and begin with a letter or digit")
		}
	}
	if raw, there := o["verify"]; there {
		p.verify(s, raw)
	}
	if raw, there := o["dedupe"]; there {
		p.dedupe(s, raw)
	}
	if raw, there := o["start"]; there {
		p.start(s, raw)
	}
	if s.Scheme != nil {
		p.warnReplays(s)
		p.outlive(s)
	}
	return s
}

func (p *parser) verify(s *Source, v any) {
	o, scheme := p.scheme("/verify", v, verifyFields)
	s.Scheme = scheme
	for _, field := range headerFields {
		if name, _ := o[field].(string); transportHeaders[strings.ToLower(name)] != "" {
			p.fault("/verify/"+field, "must be a header that arrives as its sender sets it, such as X-Signature")
		}
	}
	raw, there := o["secrets"]
	if !there {
		return // missing, and said so
	}
	items, ok := raw.([]any)
	if !ok || len(items) == 0 || len(items) > MaxSecrets {
		p.fault("/verify/secrets", "must be a list of 1 to %d names of secrets", MaxSecrets)
		return
	}
	seen := map[string]bool{}
	for i := range items {
		at := strconv.Itoa(i)
		name := p.secret("/verify/secrets", map[string]any{at: items[i]}, at)
		if seen[name] && name != "" {
			p.fault("/verify/secrets/"+at, "is there twice")
		}
		seen[name] = true
		s.Secrets = append(s.Secrets, name)
	}
	if hasKey(o, "tolerance") && scheme != nil && !scheme.SignsTime() {
		p.fault("/verify/tolerance", "has no meaning without timestampHeader")
	}
}

func (p *parser) dedupe(s *Source, v any) {
	o, ok := p.object("/dedupe", v, dedupeFields, nil)
	if !ok {
		return
	}
	if key, ok := p.text("/dedupe", o, "key"); ok {
		s.DedupeKey = p.template("/dedupe/key", key, expr.Scope{Event: true})
		if s.DedupeKey != nil && s.DedupeKey.Static() {
			p.fault("/dedupe/key", "must hold an expression such as {{ event.body.id }}: with a fixed key all events would be one")
		}
	}
	if ttl, ok := p.duration("/dedupe", o, "ttl", MaxDedupe); ok {
		s.DedupeTTL = ttl
	}
}

func (p *parser) start(s *Source, v any) {
	o, ok := p.object("/start", v, startFields, nil)
	if !ok {
		return
	}
	if name, ok := p.text("/start", o, "workflow"); ok {
		if s.Workflow = name; !nameShape.MatchString(name) {
			p.fault("/start/workflow", "must be the name of a workflow")
		}
	}
	if raw, there := o["version"]; there {
		n, ok := raw.(int)
		if s.Version = n; !ok || n < 1 {
			p.fault("/start/version", "must be a whole number, at least 1")
		}
	}
	if raw, there := o["input"]; there {
		s.Input = p.template("/start/input", raw, expr.Scope{Event: true})
	}
}

// beyondTime is how much longer than its timestamp counts an event is known: the
// clock is read once for each of the two, a record's end is in whole seconds, and
// the clock by which a store deletes it is another one.
const beyondTime = time.Minute

// outlive keeps an event known for longer than its timestamp counts: forgotten
// earlier, a recorded message would start a second execution.
func (p *parser) outlive(s *Source) {
	if !s.Scheme.SignsTime() {
		return
	}
	if least := s.Scheme.Window() + beyondTime; s.DedupeTTL < least {
		s.DedupeTTL = least
		p.warnings = append(p.warnings, Fault{"/dedupe/ttl", "is shorter than a timestamp counts, twice verify.tolerance, and a minute; events are known for " + least.String()})
	}
}

// warnReplays tells of what the signature leaves open to whoever has recorded a
// genuine message.
func (p *parser) warnReplays(s *Source) {
	switch {
	case s.DedupeKey != nil:
	case !s.Scheme.HasID():
		p.warnings = append(p.warnings, Fault{"/verify", "messages carry no id, so two with the same body are one event; name one with idHeader, or with dedupe.key"})
	case !s.Scheme.SignsID():
		p.warnings = append(p.warnings, Fault{"/verify/idHeader", "the id is not signed: a recorded message could be sent again under another; dedupe.key can take one from the body"})
	}
	if !s.Scheme.SignsTime() {
		p.warnings = append(p.warnings, Fault{"/verify", "messages carry no signed time: a recorded one is taken again once dedupe.ttl has passed"})
	}
}
