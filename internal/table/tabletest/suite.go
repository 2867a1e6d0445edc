// Package tabletest is the conformance suite of the table port, and Adversary,
// which wraps any table in the misbehaviour that the port allows.
//
// Every driver runs the suite, each test with a table of its own and on the
// virtual clock of testing/synctest. Behind the adversary the suite runs with
// Unreliable: its calls are repeated until they have an answer, and index reads
// wait until the index must have caught up; the rest it demands as it stands.
package tabletest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Mode says what a suite may expect of the table.
type Mode int

const (
	// Reliable: every call answers, pages are as large as asked for, the meter
	// is exact.
	Reliable Mode = iota
	// Unreliable: calls may answer ErrBusy or ErrUnknown, indexes lag by up to
	// MaxLag, pages are as they come.
	Unreliable
)

// Run runs the suite. open is called inside a synctest bubble and cleans up by
// itself (t.Cleanup); the table is empty.
func Run(t *testing.T, mode Mode, open func(t *testing.T) table.Table) {
	tests := map[string]func(*testing.T, *bench){
		"Conditions":         conditions,
		"ConditionsOnItem":   conditionsOnItem,
		"OldImage":           oldImage,
		"NewImage":           newImage,
		"Update":             updates,
		"CompareAndSet":      compareAndSet,
		"StaleVersion":       staleVersion,
		"OneCreator":         oneCreator,
		"Values":             values,
		"Images":             images,
		"InvalidWrites":      invalidWrites,
		"Get":                gets,
		"QueryOrder":         queryOrder,
		"QueryBounds":        queryBounds,
		"Pagination":         pagination,
		"Cursors":            cursors,
		"InvalidQueries":     invalidQueries,
		"HistIndex":          histIndex,
		"DueIndex":           dueIndex,
		"DueOrder":           dueOrder,
		"IndexPagination":    indexPagination,
		"Transact":           transact,
		"TransactRefused":    transactRefused,
		"TransactToken":      transactToken,
		"ConcurrentTransact": concurrentTransact,
		"InvalidTransact":    invalidTransact,
	}
	if mode == Reliable {
		for name, test := range map[string]func(*testing.T, *bench){
			"TooLarge": tooLarge, "PageOfData": pageOfData,
			"WriteUnits": writeUnits, "ReadUnits": readUnits, "IndexUnits": indexUnits,
			"TransactUnits": transactUnits, "NestedMeters": nestedMeters,
		} {
			tests[name] = test
		}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				inner := open(t)
				b := &bench{t: t, Table: inner, mode: mode}
				if mode == Unreliable {
					b.Table = &retrying{inner: inner}
				}
				test(t, b)
			})
		})
	}
}

// bench is one test's table.
type bench struct {
	t *testing.T
	table.Table
	mode Mode
}

func key(pk, sk string) table.Key { return table.Key{PK: pk, SK: sk} }

// put stores an item whatever is there.
func (b *bench) put(k table.Key, a table.Attrs) {
	b.t.Helper()
	b.write(table.Write{Key: k, Kind: table.Put, Set: a, If: table.Always()})
}

// write applies a write that must hold.
func (b *bench) write(w table.Write) table.Attrs {
	b.t.Helper()
	next, err := b.Write(b.t.Context(), w)
	if err != nil {
		b.t.Fatalf("%s: %v", describe(w), err)
	}
	return next
}

// refuse makes a write whose condition must not hold and returns what it saw.
func (b *bench) refuse(w table.Write) table.Attrs {
	b.t.Helper()
	next, err := b.Write(b.t.Context(), w)
	old, failed := table.Failed(err)
	if !failed {
		b.t.Fatalf("%s: got %v, %v; want a failed condition", describe(w), next, err)
	}
	return old
}

// item reads strongly, nil when absent.
func (b *bench) item(k table.Key) table.Attrs {
	b.t.Helper()
	items, err := b.Get(b.t.Context(), []table.Key{k}, true)
	if err != nil {
		b.t.Fatalf("Get %v: %v", k, err)
	}
	if len(items) == 0 {
		return nil
	}
	if len(items) != 1 || items[0].Key != k {
		b.t.Fatalf("Get %v returned %v", k, items)
	}
	return items[0].Attrs
}

// all reads a query to its end.
func (b *bench) all(q table.Query) []table.Item {
	b.t.Helper()
	if q.Index == "" {
		q.Strong = true
	}
	b.settle(q)
	var items []table.Item
	for range 10_000 {
		page, err := b.Query(b.t.Context(), q)
		if err != nil {
			b.t.Fatalf("Query %+v: %v", q, err)
		}
		if q.Limit > 0 && len(page.Items) > q.Limit {
			b.t.Fatalf("Query %+v: %d items on a page", q, len(page.Items))
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items
		}
		if page.Next == q.After {
			b.t.Fatalf("Query %+v does not advance", q)
		}
		q.After = page.Next
	}
	b.t.Fatalf("Query %+v does not end", q)
	return nil
}

// settle waits until an index must show everything.
func (b *bench) settle(q table.Query) {
	if b.mode == Unreliable && q.Index != "" {
		time.Sleep(MaxLag + time.Second) // of the bubble: the lag is over
	}
}

// want reads a query to its end and compares the keys, written "pk/sk".
func (b *bench) want(q table.Query, keys ...string) {
	b.t.Helper()
	if got, want := keysOf(b.all(q)), strings.Join(keys, " "); got != want {
		b.t.Errorf("Query %+v\n got: %s\nwant: %s", q, got, want)
	}
}

func keysOf(items []table.Item) string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.PK + "/" + it.SK
	}
	return strings.Join(out, " ")
}

func same(a, b table.Attrs) bool {
	if len(a) != len(b) || (a == nil) != (b == nil) {
		return false
	}
	for name, v := range a {
		if w, ok := b[name]; !ok || v != w {
			return false
		}
	}
	return true
}

func describe(w table.Write) string {
	kinds := map[table.WriteKind]string{table.Put: "Put", table.Update: "Update", table.Delete: "Delete", table.Check: "Check"}
	return fmt.Sprintf("%s %s/%s if %v", kinds[w.Kind], w.Key.PK, w.Key.SK, w.If)
}

// wantInvalid checks that an error says what is wrong with the request.
func wantInvalid(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, table.ErrInvalid) {
		t.Errorf("%s: got %v, want ErrInvalid", what, err)
	}
	if errors.Is(err, table.ErrBusy) || errors.Is(err, table.ErrUnknown) {
		t.Errorf("%s: %v invites to try again", what, err)
	}
}

// metered is a context with a meter of its own.
func metered(t *testing.T) (context.Context, *table.Meter) {
	m := &table.Meter{}
	return table.WithMeter(t.Context(), m), m
}
