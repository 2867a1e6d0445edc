package tabletest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// nonceAttr marks each write, so that a repeated one recognises itself.
const nonceAttr = "~nonce"

// retrying repeats calls as callers of the port must: until there is an answer,
// and without applying a write twice. A write whose reply was lost finds its own
// mark when it is repeated.
type retrying struct {
	inner table.Table
	last  atomic.Int64
}

// pause between tries; far more tries than any rate of faults needs.
const (
	pause = 10 * time.Millisecond
	tries = 1000
)

func again(err error) bool {
	return errors.Is(err, table.ErrBusy) || errors.Is(err, table.ErrUnknown)
}

func (r *retrying) Get(ctx context.Context, keys []table.Key, strong bool) (items []table.Item, err error) {
	for range tries {
		if items, err = r.inner.Get(ctx, keys, strong); !again(err) {
			break
		}
		time.Sleep(pause) // see pause; so in all of them
	}
	return unmarkItems(items), err
}

func (r *retrying) Query(ctx context.Context, q table.Query) (page table.Page, err error) {
	for range tries {
		if page, err = r.inner.Query(ctx, q); !again(err) {
			break
		}
		time.Sleep(pause) // see pause
	}
	page.Items = unmarkItems(page.Items)
	return page, err
}

func (r *retrying) Write(ctx context.Context, w table.Write) (table.Attrs, error) {
	if w.Kind == table.Put || w.Kind == table.Update {
		w = r.mark(w)
	}
	nonce := w.Set[nonceAttr]
	unknown := false
	for range tries {
		next, err := r.inner.Write(ctx, w)
		old, failed := table.Failed(err)
		switch {
		case failed && nonce.Kind() != table.KindNone && old[nonceAttr] == nonce:
			return unmark(old), nil // it had been applied
		case failed && w.Kind == table.Delete && unknown && old == nil:
			return nil, nil
		case failed:
			return nil, &table.ConditionFailed{Old: unmark(old)}
		case !again(err):
			return unmark(next), err
		}
		unknown = unknown || errors.Is(err, table.ErrUnknown)
		time.Sleep(pause) // see pause
	}
	return nil, errors.New("tabletest: the table never answered a Write")
}

func (r *retrying) Transact(ctx context.Context, token string, ws []table.Write) error {
	if token == "" {
		token = fmt.Sprint("retrying-", r.last.Add(1))
	}
	var err error
	for range tries {
		if err = r.inner.Transact(ctx, token, ws); !again(err) {
			break
		}
		time.Sleep(pause) // see pause
	}
	if old, failed := table.Failed(err); failed {
		return &table.ConditionFailed{Old: unmark(old)}
	}
	return err
}

// mark adds the nonce, and to each alternative of the condition that it is not
// there yet.
func (r *retrying) mark(w table.Write) table.Write {
	nonce := table.Int(r.last.Add(1))
	w.Set = maps.Clone(w.Set)
	if w.Set == nil {
		w.Set = table.Attrs{}
	}
	w.Set[nonceAttr] = nonce
	cond := make(table.Cond, 0, len(w.If))
	for _, all := range w.If {
		cond = append(cond, append(all[:len(all):len(all)], table.Test{Attr: nonceAttr, Op: table.Ne, Value: nonce}))
	}
	w.If = cond
	return w
}

func unmark(a table.Attrs) table.Attrs {
	if _, marked := a[nonceAttr]; !marked {
		return a
	}
	a = maps.Clone(a)
	delete(a, nonceAttr)
	return a
}

func unmarkItems(items []table.Item) []table.Item {
	for i := range items {
		items[i].Attrs = unmark(items[i].Attrs)
	}
	return items
}
