package table

import (
	"context"
	"sync/atomic"
)

// Meter counts capacity units as DynamoDB bills them. The zero Meter is ready.
// It is safe for concurrent use.
type Meter struct {
	write, read atomic.Int64 // in halves of a unit
}

// WriteUnits is the number of write units so far.
func (m *Meter) WriteUnits() float64 { return float64(m.write.Load()) / 2 }

// ReadUnits is the number of read units so far; a weak read takes half a unit.
func (m *Meter) ReadUnits() float64 { return float64(m.read.Load()) / 2 }

type meterKey struct{}

// meters is the chain of a context's meters, the innermost first.
type meters struct {
	meter *Meter
	outer *meters
}

// WithMeter returns a context whose use of a Table is counted on m, and on the
// meters that ctx already carries.
func WithMeter(ctx context.Context, m *Meter) context.Context {
	outer, _ := ctx.Value(meterKey{}).(*meters)
	for c := outer; c != nil; c = c.outer {
		if c.meter == m {
			return ctx // counting twice on one meter is never meant
		}
	}
	return context.WithValue(ctx, meterKey{}, &meters{m, outer})
}

// MeterFrom is the innermost meter of the context, nil without one.
func MeterFrom(ctx context.Context) *Meter {
	if c, _ := ctx.Value(meterKey{}).(*meters); c != nil {
		return c.meter
	}
	return nil
}

// Bill counts units on every meter of the context. Drivers that learn the
// units from their store use it directly; the others use the Bill functions
// that compute them.
func Bill(ctx context.Context, write, read float64) {
	c, _ := ctx.Value(meterKey{}).(*meters)
	for ; c != nil; c = c.outer {
		if write != 0 {
			c.meter.write.Add(int64(write * 2))
		}
		if read != 0 {
			c.meter.read.Add(int64(read * 2))
		}
	}
}
