package workflow

import (
	"sort"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// field is one field of the document: its JSON Schema, and whether it must be
// there.
type field struct {
	schema   map[string]any
	required bool
}

type fields map[string]field

// Shapes of values.
var (
	anything    = map[string]any{}
	text        = map[string]any{"type": "string"}
	boolean     = map[string]any{"type": "boolean"}
	anyObject   = map[string]any{"type": "object"}
	aSchema     = map[string]any{"type": []any{"object", "boolean"}}
	aDuration   = map[string]any{"type": "string", "description": `such as "500ms", "90s", "2h" or "1d12h"`}
	aTemplate   = map[string]any{"description": "strings may hold {{ expressions }}"}
	aNewStepID  = map[string]any{"type": "string", "pattern": idPattern, "not": map[string]any{"enum": reservedIDs}}
	aStepID     = map[string]any{"type": "string", "pattern": idPattern}
	aName       = map[string]any{"type": "string", "pattern": namePattern}
	aRetry      = map[string]any{"oneOf": []any{map[string]any{"type": "string", "enum": presetNames()}, ref("retry")}}
	aRequest    = ref("request")
	needsSchema = map[string]any{"type": "array", "items": aStepID, "uniqueItems": true}
)

// reservedIDs say from where a retry begins, as a step's id does.
var reservedIDs = []any{"failed", "start"}

func ref(name string) map[string]any { return map[string]any{"$ref": "#/$defs/" + name} }

const (
	idPattern   = `^[A-Za-z][A-Za-z0-9_-]{0,63}$`
	namePattern = `^[a-z0-9][a-z0-9_-]{0,62}$`
)

var documentFields = fields{
	"name":    {aName, true},
	"input":   {aSchema, false},
	"retry":   {aRetry, false},
	"timeout": {aDuration, false},
	"vars":    {anyObject, false},
	"steps":   {map[string]any{"type": "array", "minItems": 1, "maxItems": MaxSteps, "items": ref("step")}, true},
	"output":  {aTemplate, false},
}

// commonFields are those of every step.
var commonFields = fields{
	"id":             {aNewStepID, true},
	"type":           {map[string]any{"type": "string", "enum": typeNames()}, true},
	"when":           {text, false},
	"needs":          {needsSchema, false},
	"skipDependents": {boolean, false},
}

// callFields are those of the steps that call something.
var callFields = fields{
	"timeout":        {aDuration, false},
	"attemptTimeout": {aDuration, false},
	"retry":          {aRetry, false},
	"idempotent":     {boolean, false},
}

var typeFields = map[Type]fields{
	HTTP:      merged(callFields, fields{"request": {aRequest, true}}),
	Callback:  merged(callFields, fields{"request": {aRequest, false}, "schema": {aSchema, false}}),
	Transform: {"output": {aTemplate, true}},
	Wait:      {"duration": {aDuration, false}, "until": {text, false}},
	Webhook:   merged(callFields, messageFields, fields{"sign": {ref("sign"), true}}),

	StepFunctions: merged(callFields, fields{
		"stateMachine": {map[string]any{"type": "string", "description": "the ARN of a state machine, an alias or a version"}, true},
		"input":        {aTemplate, false},
		"express":      {boolean, false},
	}),
}

// stepTypes are the types in the order they are told in.
var stepTypes = []Type{HTTP, Transform, Wait, Callback, Webhook, StepFunctions}

func typeNames() []any {
	list := make([]any, len(stepTypes))
	for i, t := range stepTypes {
		list[i] = string(t)
	}
	return list
}

// messageFields are what a webhook step sends; it is always a POST.
var messageFields = fields{
	"url":     {text, true},
	"headers": {anyObject, false},
	"body":    {anything, false},
}

var requestFields = fields{
	"method":  {text, false},
	"url":     {text, true},
	"headers": {anyObject, false},
	"query":   {anyObject, false},
	"body":    {anything, false},
	"auth":    {ref("auth"), false},
}

var retryFields = fields{
	"strategy": {map[string]any{"type": "string", "enum": []any{"exponential", "fixed", "none"}}, false},
	"attempts": {map[string]any{"type": "integer", "minimum": 1, "maximum": retry.MaxAttempts}, false},
	"initial":  {aDuration, false},
	"max":      {aDuration, false},
	"jitter":   {map[string]any{"type": "string", "enum": []any{"full", "equal", "none"}}, false},
	"on":       {map[string]any{"type": "array", "minItems": 1, "items": map[string]any{"type": "string", "enum": categoryNames()}}, false},
}

// Names that the design knows and this version does not build.
var (
	laterDocument = names("on", "priority", "concurrency", "tags", "onFailure", "shards")
	laterStep     = names("compensate", "onReject", "onExhausted", "notify", "payload", "instance", "webhook", "wait",
		"idempotencyKey", "error", "workflow", "version", "input", "items", "concurrency", "queue", "bus", "breaker", "generation", "deliver")
	laterTypes    = names("n8n", "approval", "workflow", "map", "temporal", "emit")
	laterRequest  = names("idempotencyKey", "redirects", "tls", "proxy")
	laterRetry    = names("unless", "if", "never", "total", "schedule", "onExhausted", "exhausted")
	laterStrategy = names("linear", "schedule")
	laterJitter   = names("decorrelated")
	laterScheme   = names("github", "stripe", "slack", "shopify", "token")
)

var presets = map[string]retry.Policy{"production": retry.Production, "development": retry.Development, "none": retry.Never}

func presetNames() []any {
	list := make([]any, 0, len(presets))
	for n := range presets {
		list = append(list, n)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].(string) < list[j].(string) })
	return list
}

func categoryNames() []any {
	list := make([]any, 0, len(retry.Categories))
	for _, c := range retry.Categories {
		list = append(list, string(c))
	}
	return list
}

func names(list ...string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, n := range list {
		set[n] = true
	}
	return set
}

func merged(all ...fields) fields {
	out := fields{}
	for _, f := range all {
		for k, v := range f {
			out[k] = v
		}
	}
	return out
}

// Schema is the JSON Schema (2020-12) of a workflow document, from the tables
// the parser reads.
func Schema() []byte {
	stepOf := make([]any, 0, len(typeFields))
	for _, t := range stepTypes {
		s := objectSchema(merged(commonFields, typeFields[t]))
		s["properties"].(map[string]any)["type"] = map[string]any{"const": string(t)}
		if t == Wait {
			s["oneOf"] = []any{map[string]any{"required": []any{"duration"}}, map[string]any{"required": []any{"until"}}}
		}
		stepOf = append(stepOf, s)
	}
	root := objectSchema(documentFields)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Stepline workflow"
	root["$defs"] = map[string]any{
		"step": map[string]any{"oneOf": stepOf}, "request": objectSchema(requestFields), "retry": objectSchema(retryFields),
		"auth": authSchema(), "sign": schemeSchema(fields{"secret": {aSecret, true}}),
	}
	b, err := expr.Encode(root)
	if err != nil {
		panic(err) // constant tables, so only a programming error
	}
	return b
}

func objectSchema(f fields) map[string]any {
	properties, required := map[string]any{}, []any{}
	for _, name := range f.names() {
		properties[name] = f[name].schema
		if f[name].required {
			required = append(required, name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func (f fields) names() []string {
	list := make([]string, 0, len(f))
	for n := range f {
		list = append(list, n)
	}
	sort.Strings(list)
	return list
}
