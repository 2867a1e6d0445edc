package table

import (
	"context"
	"errors"
	"time"
)

// Attempts of a Patient at one call, and the pause before the second; each
// pause is twice the one before.
const (
	PatientTries = 6
	patientPause = 10 * time.Millisecond
)

// patient is what Patient makes.
type patient struct{ Table }

// Patient is a table that asks again, for about a third of a second, while the
// one behind it is busy, and reads again whose reply was lost. A write whose
// reply was lost is the caller's to judge: only it can tell whether it was
// applied.
func Patient(inner Table) Table { return patient{inner} }

func (p patient) Get(ctx context.Context, keys []Key, strong bool) (items []Item, err error) {
	err = insist(ctx, anyTrouble, func() error {
		items, err = p.Table.Get(ctx, keys, strong)
		return err
	})
	return items, err
}

func (p patient) Query(ctx context.Context, q Query) (page Page, err error) {
	err = insist(ctx, anyTrouble, func() error {
		page, err = p.Table.Query(ctx, q)
		return err
	})
	return page, err
}

func (p patient) Write(ctx context.Context, w Write) (next Attrs, err error) {
	err = insist(ctx, notWritten, func() error {
		next, err = p.Table.Write(ctx, w)
		return err
	})
	return next, err
}

func (p patient) Transact(ctx context.Context, token string, ws []Write) error {
	return insist(ctx, notWritten, func() error { return p.Table.Transact(ctx, token, ws) })
}

func anyTrouble(err error) bool { return errors.Is(err, ErrBusy) || errors.Is(err, ErrUnknown) }

func notWritten(err error) bool { return errors.Is(err, ErrBusy) && !errors.Is(err, ErrUnknown) }

// insist makes a call again while its trouble passes. When the context ends in
// a pause, the call's own error is the answer.
func insist(ctx context.Context, passes func(error) bool, call func() error) error {
	for try := 0; ; try++ {
		err := call()
		if err == nil || !passes(err) || try+1 == PatientTries {
			return err
		}
		t := time.NewTimer(patientPause << try)
		select {
		case <-ctx.Done():
			t.Stop()
			return err
		case <-t.C:
		}
	}
}
