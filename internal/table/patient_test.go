package table_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// moody is a table that fails the first calls with these errors.
type moody struct {
	table.Table
	errs  []error
	calls int
}

func (m *moody) next() (err error) {
	if m.calls++; m.calls <= len(m.errs) {
		err = m.errs[m.calls-1]
	}
	return err
}

func (m *moody) Get(context.Context, []table.Key, bool) ([]table.Item, error) { return nil, m.next() }
func (m *moody) Query(context.Context, table.Query) (table.Page, error) {
	return table.Page{}, m.next()
}
func (m *moody) Write(context.Context, table.Write) (table.Attrs, error) { return nil, m.next() }
func (m *moody) Transact(context.Context, string, []table.Write) error   { return m.next() }

func TestPatience(t *testing.T) {
	t.Parallel()
	busy, full, lost, no := table.ErrBusy, table.ErrFull, table.ErrUnknown, &table.ConditionFailed{}
	both := errors.Join(table.ErrUnknown, table.ErrBusy) // a busy store after a lost reply
	always := []error{busy, busy, busy, busy, busy, busy, busy}
	for name, c := range map[string]struct {
		errs          []error
		read, written error // nil: success in the end
		reads, writes int   // calls
	}{
		"at once":         {nil, nil, nil, 1, 1},
		"busy twice":      {[]error{busy, full}, nil, nil, 3, 3},
		"a lost reply":    {[]error{lost}, nil, lost, 2, 1},
		"busy and lost":   {[]error{both}, nil, lost, 2, 1},
		"busy, then a no": {[]error{busy, no}, no, no, 2, 2},
		"busy, then lost": {[]error{busy, lost}, nil, lost, 3, 2},
		"busy for good":   {always, busy, busy, table.PatientTries, table.PatientTries},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				try := func(what string, want error, calls int, call func(table.Table) error) {
					m := &moody{errs: c.errs}
					if err := call(table.Patient(m)); !errors.Is(err, want) || m.calls != calls {
						t.Errorf("%s: %v after %d calls, want %v after %d", what, err, m.calls, want, calls)
					}
				}
				ctx := t.Context()
				try("Get", c.read, c.reads, func(p table.Table) error { _, err := p.Get(ctx, nil, true); return err })
				try("Query", c.read, c.reads, func(p table.Table) error { _, err := p.Query(ctx, table.Query{}); return err })
				try("Write", c.written, c.writes, func(p table.Table) error { _, err := p.Write(ctx, table.Write{}); return err })
				try("Transact", c.written, c.writes, func(p table.Table) error { return p.Transact(ctx, "", nil) })
			})
		})
	}
}

func TestPatienceEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
		defer cancel()
		m := &moody{errs: []error{table.ErrBusy, table.ErrBusy, table.ErrBusy}}
		if _, err := table.Patient(m).Get(ctx, nil, true); !errors.Is(err, table.ErrBusy) || m.calls != 2 {
			t.Errorf("%v after %d calls, want busy after 2", err, m.calls)
		}
	})
}
