package table

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// ErrInvalid: the request itself is wrong, whatever the table holds; nothing
// was written. The text names the field.
var ErrInvalid = errors.New("table: invalid request")

// Lengths of keys in bytes (DynamoDB's limits).
const (
	MaxPK = 2048
	MaxSK = 1024
)

// pkAttr is the other half of the key; neither half can be set.
const pkAttr = "pk"

// Validate reports what is wrong with the write in itself, as ErrInvalid.
func (w Write) Validate() error {
	if err := w.Key.validate(); err != nil {
		return err
	}
	if err := w.If.validate(); err != nil {
		return err
	}
	switch w.Kind {
	case Put:
		if len(w.Add)+len(w.Remove) > 0 {
			return invalid("a Put takes Set only")
		}
	case Update:
		if err := w.overlap(); err != nil {
			return err
		}
	case Delete, Check:
		if len(w.Set)+len(w.Add)+len(w.Remove) > 0 {
			return invalid("a Delete or Check takes no attributes")
		}
	default:
		return invalid("kind must be Put, Update, Delete or Check")
	}
	for name, v := range w.Set {
		if err := settable(name, v); err != nil {
			return err
		}
	}
	for name := range w.Add {
		if err := settable(name, Int(0)); err != nil {
			return err
		}
	}
	for _, name := range w.Remove {
		if name == "" || name == pkAttr || name == SKAttr {
			return invalid("remove names %q, which is no attribute", name)
		}
	}
	return nil
}

func (k Key) validate() error {
	switch {
	case k.PK == "" || k.SK == "":
		return invalid("key %q, %q: both parts must be non-empty", k.PK, k.SK)
	case len(k.PK) > MaxPK || len(k.SK) > MaxSK:
		return invalid("key: at most %d bytes of pk and %d of sk", MaxPK, MaxSK)
	case !utf8.ValidString(k.PK) || !utf8.ValidString(k.SK):
		return invalid("key %q, %q: must be UTF-8", k.PK, k.SK)
	}
	return nil
}

func (c Cond) validate() error {
	if len(c) == 0 {
		return invalid("a write needs a condition; an unconditional one says Always()")
	}
	for _, all := range c {
		for _, t := range all {
			bare := t.Op == Absent || t.Op == Present
			switch {
			case t.Op < Absent || t.Op > Ge:
				return invalid("condition on %q: unknown comparison %d", t.Attr, t.Op)
			case t.Attr == "" || t.Attr == pkAttr:
				return invalid("condition on %q, which is no attribute", t.Attr)
			case t.Attr == SKAttr && !bare:
				return invalid("condition on %q: only Absent and Present", SKAttr)
			case !bare && t.Value.kind == KindNone:
				return invalid("condition on %q compares with no value", t.Attr)
			}
		}
	}
	return nil
}

// overlap refuses an attribute named twice: the order of application is not
// part of the port.
func (w Write) overlap() error {
	for name := range w.Add {
		if _, twice := w.Set[name]; twice {
			return invalid("attribute %q is both set and added to", name)
		}
	}
	for _, name := range w.Remove {
		_, set := w.Set[name]
		if _, add := w.Add[name]; set || add {
			return invalid("attribute %q is both removed and changed", name)
		}
	}
	return nil
}

func settable(name string, v Value) error {
	switch {
	case name == "" || name == pkAttr || name == SKAttr:
		return invalid("attribute name %q cannot be set", name)
	case v.kind == KindNone:
		return invalid("attribute %q has no value", name)
	case v.kind == KindString && !utf8.ValidString(v.str):
		return invalid("attribute %q must be UTF-8, or bytes", name)
	case (name == HistPK || name == DuePK) && (v.kind != KindString || v.str == "" || len(v.str) > MaxPK):
		return invalid("attribute %q keys an index: a non-empty string of at most %d bytes", name, MaxPK)
	case (name == DueSK || name == ExpiryAttr) && v.kind != KindInt:
		return invalid("attribute %q must be a number", name)
	}
	return nil
}

// ValidateTransact reports what is wrong with a Transact in itself, as
// ErrInvalid: too many or no writes, two of one item, or a wrong write.
func ValidateTransact(ws []Write) error {
	if len(ws) == 0 || len(ws) > MaxTransact {
		return invalid("a transaction has 1 to %d writes, not %d", MaxTransact, len(ws))
	}
	seen := make(map[Key]bool, len(ws))
	for i, w := range ws {
		if err := w.Validate(); err != nil {
			return fmt.Errorf("write %d: %w", i, err)
		}
		if seen[w.Key] {
			return invalid("a transaction writes %q, %q twice", w.Key.PK, w.Key.SK)
		}
		seen[w.Key] = true
	}
	return nil
}

// UniqueKeys validates the keys of a Get and returns them without repetitions.
func UniqueKeys(keys []Key) ([]Key, error) {
	if len(keys) > MaxGet {
		return nil, invalid("a Get takes at most %d keys, not %d", MaxGet, len(keys))
	}
	seen := make(map[Key]bool, len(keys))
	out := make([]Key, 0, len(keys))
	for _, k := range keys {
		if err := k.validate(); err != nil {
			return nil, err
		}
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out, nil
}

// Validate reports what is wrong with the query in itself: ErrInvalid, or
// ErrBadCursor.
func (q Query) Validate() error {
	switch {
	case q.Index != "" && q.Index != Hist && q.Index != Due:
		return invalid("index must be %q, %q or empty, not %q", Hist, Due, q.Index)
	case q.Index != "" && q.Strong:
		return invalid("an index cannot be read strongly")
	case q.PK == "":
		return invalid("a query names its partition in PK")
	case q.Limit < 0:
		return invalid("limit must not be negative")
	}
	if q.Index == Due {
		for _, bound := range []string{q.From, q.To} {
			if _, err := strconv.ParseInt(bound, 10, 64); bound != "" && err != nil {
				return invalid("bounds of %q are decimal numbers, not %q", Due, bound)
			}
		}
	}
	_, _, err := q.Position()
	return err
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}
