package table

import (
	"fmt"
	"maps"
	"math"
)

// Apply is the item's image after the write, whose condition the caller has
// found to hold. old is nil for an absent item, and so is the answer after a
// Delete; a Check changes nothing. Neither old nor the write is shared with the
// answer. Errors: ErrTooLarge, ErrInvalid (Add to what is no number).
func Apply(old Attrs, w Write) (Attrs, error) {
	var next Attrs
	switch w.Kind {
	case Delete:
		return nil, nil
	case Check:
		return old, nil
	case Put:
		next = make(Attrs, len(w.Set))
		maps.Copy(next, w.Set)
	case Update:
		var err error
		if next, err = update(old, w); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: kind must be Put, Update, Delete or Check", ErrInvalid)
	}
	if ItemSize(w.Key, next) > MaxItem {
		return nil, ErrTooLarge
	}
	return next, nil
}

func update(old Attrs, w Write) (Attrs, error) {
	next := make(Attrs, len(old)+len(w.Set)+len(w.Add))
	maps.Copy(next, old)
	maps.Copy(next, w.Set)
	for name, n := range w.Add {
		have, present := next[name]
		if present && have.kind != KindInt {
			return nil, fmt.Errorf("%w: add to %q must find a number", ErrInvalid, name)
		}
		if n > 0 && have.num > math.MaxInt64-n || n < 0 && have.num < math.MinInt64-n {
			return nil, fmt.Errorf("%w: add to %q would leave the range of int64", ErrInvalid, name)
		}
		next[name] = Int(have.num + n)
	}
	for _, name := range w.Remove {
		delete(next, name)
	}
	return next, nil
}
