package runner_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// bulky is a JSON text that packs to more than META has room for.
func bulky(by uint64) string { return noise(by, 1500) }

// noise is a JSON text that holds so many characters and hardly packs.
func noise(by uint64, characters int) string {
	rnd := rand.New(rand.NewPCG(by, 3))
	b := make([]byte, characters)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[rnd.IntN(62)]
	}
	return fmt.Sprintf(`{"by":%d,"x":%q}`, by, b)
}

// An OUTPUT stands before FINISH names it. A worker that froze in between
// comes too late: what META names is the output of the one that took over.
func TestAFrozenWorkerDoesNotReplaceTheOutput(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		w.answers("a", answer{output: bulky(1)}, answer{output: bulky(2)})
		id, one := w.process("api").begins("one"), w.process("one")
		var thawed atomic.Bool
		w.when(one, at("output"), func(o *op, apply func() error) error {
			o.p.freeze(4 * time.Minute)
			o.p.thaw()
			thawed.Store(true)
			return apply()
		})
		one.take(w.message(id))
		w.until("a is called", time.Second, func() bool { return len(w.calls(id, "a")) == 1 })
		w.lambda()
		want := `{"a":` + bulky(2) + `}`
		w.succeeds(id, 4*time.Minute, want)
		if thawed.Load() {
			t.Fatal("nobody took over before the worker thawed")
		}
		w.pass(5 * time.Minute)
		if !thawed.Load() {
			t.Fatal("the worker has not thawed")
		}
		w.succeeds(id, 0, want)
		w.called(id, "a", 2)
		w.sameJSON("the outcome of a", string(w.step(id, "a").Body.Output), bulky(2))
	})
}

// Where FINISH cannot be written, the outcome that was to ride in it is kept in
// a record of its own: a step that must not be called twice is not.
func TestTheLastOutcomeOutlivesItsFinish(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: one\nsteps:\n  - {id: a, type: http, idempotent: false, request: {url: \"http://there/a\"}}\noutput: {a: \"{{ steps.a.output }}\"}\n")
		api, one := w.process("api"), w.process("one")
		id := api.begins("one")
		w.when(one, at("finish"), func(*op, func() error) error { return table.ErrBusy }).often()
		one.take(w.message(id)).wait()
		if got := w.recorded(id, 1); len(got) != 1 || got[0] != "a" {
			t.Errorf("records of %v, want the outcome of a kept", got)
		}
		w.lambda()
		w.succeeds(id, 5*time.Minute, `{"a":{"from":"a"}}`)
		w.called(id, "a", 1)
	})
}

// TestValuesLargerThanAnItem: what no item holds, the last outcome and the
// output made of it too, goes into chunks, and the execution ends at once.
func TestValuesLargerThanAnItem(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: one\nsteps:\n  - {id: a, type: http, request: {url: \"http://there/a\"}}\n  - {id: b, type: http, request: {url: \"http://there/b\"}}\noutput: {b: \"{{ steps.b.output }}\"}\n")
		first, last := noise(1, 900_000), noise(2, 4_000_000)
		w.answers("a", answer{output: first})
		w.answers("b", answer{output: last})
		id := w.process("api").begins("one")
		w.process("one").take(w.message(id)).wait()
		w.succeeds(id, 0, `{"b":`+last+`}`)
		w.called(id, "b", 1)
		w.sameJSON("the outcome of a", string(w.step(id, "a").Body.Output), first)
		w.sameJSON("the outcome of b", string(w.step(id, "b").Body.Output), last)
	})
}
