package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// object reads a request's JSON object field by field and gathers every fault,
// so that the caller learns of all of them at once.
type object struct {
	fields []field
	faults []workflow.Fault
	other  bool // the body is no object: nothing is said of its fields
}

type field struct {
	name string
	raw  json.RawMessage
}

// parseObject splits a well-formed body into its fields. Names that are not
// allowed and names given twice are faults. A nil body has no fields.
func parseObject(b json.RawMessage, allowed ...string) *object {
	o := &object{}
	if b == nil {
		return o
	}
	b = bytes.TrimSpace(b)
	if b[0] != '{' {
		o.other = true
		o.fault("", "must be an object")
		return o
	}
	for name, raw := range members(b) {
		switch {
		case !slices.Contains(allowed, name):
			o.fault("/"+escapePointer(name), "is not a known field; "+knownFields(allowed))
		case o.raw(name) != nil:
			o.fault("/"+name, "is given twice")
		default:
			o.fields = append(o.fields, field{name, raw})
		}
	}
	return o
}

func knownFields(allowed []string) string {
	if len(allowed) == 0 {
		return "this call takes none"
	}
	return "known are " + strings.Join(allowed, ", ")
}

// members yields the members of a well-formed object in order. Being
// well-formed is what lets it find a value's end by brackets and quotes alone.
func members(b []byte) func(yield func(string, json.RawMessage) bool) {
	return func(yield func(string, json.RawMessage) bool) {
		for i := skipSpace(b, 1); b[i] != '}'; {
			if b[i] == ',' {
				i = skipSpace(b, i+1)
			}
			end := valueEnd(b, i)
			var name string
			if quoted := b[i:end]; bytes.IndexByte(quoted, '\\') < 0 {
				name = string(quoted[1 : len(quoted)-1])
			} else {
				_ = json.Unmarshal(quoted, &name) // well-formed
			}
			i = skipSpace(b, skipSpace(b, end)+1) // over the colon
			end = valueEnd(b, i)
			if !yield(name, b[i:end:end]) {
				return
			}
			i = skipSpace(b, end)
		}
	}
}

func skipSpace(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r' {
		i++
	}
	return i
}

// valueEnd is the index behind the value that begins at i.
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		for i++; b[i] != '"'; i++ {
			if b[i] == '\\' {
				i++
			}
		}
		return i + 1
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = valueEnd(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for !bytes.ContainsRune([]byte(",}] \t\r\n"), rune(b[i])) {
		i++
	}
	return i
}

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func (o *object) fault(pointer, detail string) {
	o.faults = append(o.faults, workflow.Fault{Pointer: pointer, Detail: detail})
}

// within takes over the faults of the object in a field.
func (o *object) within(name string, in *object) {
	for _, f := range in.faults {
		o.fault("/"+name+f.Pointer, f.Detail)
	}
}

// err is every fault found, nil when there is none.
func (o *object) err() error {
	if len(o.faults) == 0 {
		return nil
	}
	return &problem.Error{Code: problem.Invalid, Detail: "the request body has " + count(len(o.faults), "fault"), Faults: o.faults}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// raw is a field's value as sent, nil when it is absent.
func (o *object) raw(name string) json.RawMessage {
	for _, f := range o.fields {
		if f.name == name {
			return f.raw
		}
	}
	return nil
}

// text is a string field; "" when it is absent or faulty.
func (o *object) text(name string) string {
	raw := o.raw(name)
	if raw == nil {
		return ""
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		o.fault("/"+name, "must be a string")
		return ""
	}
	if s == "" {
		o.fault("/"+name, "must not be empty")
	}
	return s
}

// required is a string field that must be there.
func (o *object) required(name string) string {
	if o.raw(name) == nil {
		o.lacks(name, "a string")
	}
	return o.text(name)
}

// lacks says that a field must be there, and what it is.
func (o *object) lacks(name, what string) {
	if !o.other {
		o.fault("/"+name, "is required: "+what)
	}
}

// choice is a string field with few values; def when it is absent.
func (o *object) choice(name, def string, values ...string) string {
	if o.raw(name) == nil {
		return def
	}
	s := o.text(name)
	if s != "" && !slices.Contains(values, s) {
		o.fault("/"+name, "must be one of "+strings.Join(values, ", "))
	}
	return s
}

// positive is a whole number from 1; 0 when it is absent or faulty.
func (o *object) positive(name string) int {
	raw := o.raw(name)
	if raw == nil {
		return 0
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil { // 3.0 and 3e0 are whole numbers in JSON Schema
		f, _ := strconv.ParseFloat(string(raw), 64) // 0 for what is no number
		if n = 0; f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			n = int(f)
		}
	}
	if n < 1 {
		o.fault("/"+name, "must be a whole number, at least 1")
		return 0
	}
	return n
}

// span is a duration; 0 when it is absent or faulty.
func (o *object) span(name string, least, most time.Duration) time.Duration {
	if o.raw(name) == nil {
		return 0
	}
	before := len(o.faults)
	s := o.text(name)
	if len(o.faults) > before {
		return 0
	}
	d, err := workflow.ParseDuration(s)
	if err != nil {
		o.fault("/"+name, err.Error())
		return 0
	}
	if d < least || d > most {
		o.fault("/"+name, fmt.Sprintf("must be from %s to %s", workflow.FormatDuration(least), workflow.FormatDuration(most)))
		return 0
	}
	return d
}

// maxTags bounds tags: they are part of META, which every write bills whole.
const maxTags = 256

// labels is an object of strings, at most maxTags bytes as JSON.
func (o *object) labels(name string) map[string]string {
	raw := o.raw(name)
	if raw == nil {
		return nil
	}
	if raw[0] != '{' {
		o.fault("/"+name, "must be an object of strings")
		return nil
	}
	tags := map[string]string{}
	for k, v := range members(raw) {
		var s string
		if v[0] != '"' || json.Unmarshal(v, &s) != nil {
			o.fault("/"+name+"/"+escapePointer(k), "must be a string")
		}
		if k == "" {
			o.fault("/"+name+"/", "must have a name")
		}
		tags[k] = s
	}
	if b, _ := json.Marshal(tags); len(b) > maxTags { // strings cannot fail
		o.fault("/"+name, fmt.Sprintf("must be at most %d bytes as JSON, not %d", maxTags, len(b)))
	}
	return tags
}
