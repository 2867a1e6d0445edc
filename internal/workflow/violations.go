package workflow

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// MaxViolations is how many faults of one value are told; more are told of by
// one that says so.
const MaxViolations = 100

// Of a place and a sentence as many bytes are told as somebody may read.
const (
	mostPart   = 200
	mostPlace  = 2_000
	mostDetail = 500
)

var english = message.NewPrinter(language.English)

// violations are the leaves of a validation error, each once, in the order of
// their places.
func violations(e *jsonschema.ValidationError) []Fault {
	var l leaves
	l.walk(e, nil)
	out := make([]Fault, 0, len(l.first)+1)
	for _, f := range l.first {
		out = append(out, Fault{pointerTo(f.at), f.detail})
	}
	if l.more {
		out = append(out, Fault{"", "has more faults than the " + strconv.Itoa(MaxViolations) + " told here"})
	}
	return out
}

type leaf struct {
	at     []string
	detail string
}

// leaves are the first faults by their places.
type leaves struct {
	first []leaf
	more  bool
}

// walk takes the leaves below e, whose places are relative to base.
func (l *leaves) walk(e *jsonschema.ValidationError, base []string) {
	at := slices.Concat(base, e.InstanceLocation)
	if name, ok := e.ErrorKind.(*kind.PropertyNames); ok {
		base = append(at, name.Property) // the name was checked by itself
	}
	if len(e.Causes) > 0 {
		for _, c := range e.Causes {
			l.walk(c, base)
		}
		return
	}
	if extra, ok := e.ErrorKind.(*kind.AdditionalProperties); ok {
		for _, name := range extra.Properties {
			l.add(append(at[:len(at):len(at)], name), func() string { return "is not allowed here" })
		}
		return
	}
	l.add(at, func() string { return sentence(e.ErrorKind) })
}

// add keeps the leaf if it is among the first; its sentence is made only then.
func (l *leaves) add(at []string, detail func() string) {
	full := len(l.first) == MaxViolations
	if full && slices.Compare(at, l.first[len(l.first)-1].at) >= 0 {
		l.more = true
		return
	}
	n := leaf{at, detail()}
	i, there := slices.BinarySearchFunc(l.first, n, func(a, b leaf) int {
		return cmp.Or(slices.Compare(a.at, b.at), strings.Compare(a.detail, b.detail))
	})
	if there {
		return
	}
	if l.first = slices.Insert(l.first, i, n); full {
		l.first, l.more = l.first[:MaxViolations], true
	}
}

// sentence says what is wrong, without the value where it may be a long one.
func sentence(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Pattern:
		return clip("does not match the pattern " + strconv.Quote(k.Want))
	case *kind.Format:
		if k.Want == "regex" { // of the schema, not of a value
			return clip("is no regular expression that can be used: " + k.Err.Error())
		}
		return "is not valid " + clip(k.Want)
	}
	return clip(strings.TrimSuffix(k.LocalizedString(english), "."))
}

func clip(s string) string { return cut(s, mostDetail) }

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// pointerTo is a place as a JSON pointer, cut short where its names are long.
func pointerTo(at []string) string {
	var b strings.Builder
	for _, part := range at {
		if b.Len() > mostPlace {
			b.WriteString("/…")
			break
		}
		b.WriteString("/" + escape(cut(part, mostPart)))
	}
	return b.String()
}

// unique is uniqueItems. The validator's own takes time that grows with the
// square of the number of items where their hashes are made to collide.
type unique struct{}

// Validate reports the first item that is there twice.
func (unique) Validate(ctx *jsonschema.ValidatorContext, v any) {
	items, ok := v.([]any)
	if !ok {
		return
	}
	first := make(map[string]int, len(items))
	for i, item := range items {
		key, err := json.Marshal(item)
		if err != nil {
			continue // it came from JSON, so this is none to compare
		}
		if j, twice := first[string(key)]; twice {
			ctx.AddError(&kind.UniqueItems{Duplicates: [2]int{j, i}})
			return
		}
		first[string(key)] = i
	}
}
