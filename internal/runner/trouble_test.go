package runner_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// refuses has the store refuse what is asked for at a point until a time.
func (w *world) refuses(what point, err error, until time.Duration) *trap {
	return w.when(nil, what, func(_ *op, apply func() error) error {
		if w.since() < until {
			return err
		}
		return apply()
	}).often()
}

// A store that is too busy for records, for as long as it may be, ends no
// execution: its holders live, and nothing crashes.
func TestABusyStoreIsNoCrash(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document("name: two\nsteps:\n  - {id: a, type: http, request: {url: \"http://there/a\"}}\n  - {id: b, type: http, request: {url: \"http://there/b\"}}\n")
		w.lambda()
		w.cron()
		const busy = 30 * time.Minute
		w.refuses(at("step"), table.ErrBusy, busy)
		id := w.process("api").begins("two")
		w.succeeds(id, busy+5*time.Minute, ``)
		if n := len(w.calls(id, "a")); n < 10 {
			t.Errorf("the first step was called %d times, so it was not tried all along", n)
		}
	})
}

// Nor does it where the record is the last one, which does not ride along with
// the end after a takeover.
func TestABusyStoreIsNoCrashAtTheLastStep(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		w.answers("a", answer{then: func(c made) { c.by.kill() }}, answer{})
		w.lambda()
		w.cron()
		const busy = 30 * time.Minute
		w.refuses(at("step"), table.ErrBusy, busy)
		id := w.process("api").begins("one")
		w.succeeds(id, busy+5*time.Minute, `{"a":{"from":"a"}}`)
	})
}

// Whatever else a holder that lives asks the store for in vain, it is no crash:
// an index that throttles refuses only the writes that touch it, a policy only
// one kind of write, and the leases go through all the while.
func TestARefusalIsNoCrash(t *testing.T) {
	denied := errors.New("AccessDeniedException: not authorized to perform: dynamodb:PutItem")
	const long = "name: one\nsteps:\n  - {id: a, type: http, request: {url: \"http://there/a\"}, attemptTimeout: 10m, retry: none}\noutput: {a: \"{{ steps.a.output }}\"}\n"
	const large = "name: one\nsteps:\n  - {id: a, type: http, request: {url: \"http://there/a\"}}\noutput: \"{{ input }}\"\n"
	input := bulky(6)
	for name, c := range map[string]struct {
		document string
		refused  point
		err      error
		takes    time.Duration // of the call
		output   string
		calls    int // at most, 0 for any number
	}{
		"a release to a long wait": {
			document: "name: one\nsteps:\n  - {id: w, type: wait, duration: 50m}\n  - {id: a, type: http, request: {url: \"http://there/a\"}}\n",
			refused: point{"a release with a due entry", func(o *op) bool {
				return o.kind == "release" && o.write.Set[table.DueSK] != table.Value{}
			}},
			err: table.ErrBusy, calls: 1,
		},
		"the output": {document: large, refused: at("output"), err: table.ErrBusy, output: input, calls: 1},
		"the end":    {document: oneStep, refused: at("finish"), err: table.ErrBusy, output: `{"a":{"from":"a"}}`, calls: 1},
		"a renewal without an answer": {
			document: long, refused: at("renewal"), err: table.ErrUnknown, takes: 3 * time.Minute, output: `{"a":{"from":"a"}}`,
		},
		"a record that is not allowed": {
			document: "name: one\nsteps:\n  - {id: a, type: http, request: {url: \"http://there/a\"}}\n  - {id: b, type: http, request: {url: \"http://there/b\"}}\n",
			refused:  checkpoint("a"), err: denied,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(c.document)
				w.answers("a", answer{after: c.takes})
				w.lambda()
				w.cron()
				const trouble = 40 * time.Minute
				refusals := w.refuses(c.refused, c.err, trouble)
				s, err := w.process("api").start(runner.StartRequest{Workflow: "one", Input: json.RawMessage(input)})
				w.accepted("start", err)
				w.succeeds(s.ID, 3*time.Hour, c.output)
				if n := refusals.sprung(); n < 10 {
					t.Errorf("the store refused %d times, want more than an execution has lives", n)
				}
				if n := len(w.calls(s.ID, "a")); c.calls > 0 && n > c.calls {
					t.Errorf("a was called %d times, want %d", n, c.calls)
				}
			})
		})
	}
}

// What cannot be loaded is put off, longer each time, and stays open for as
// long as that may be.
func TestWhatCannotBeLoadedIsPutOff(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		input := w.reads("1")
		input.busy.Store(true)
		w.lambda()
		w.cron()
		s, err := w.process("api").start(runner.StartRequest{Workflow: "one", Input: json.RawMessage(bulky(7))})
		w.accepted("start", err)
		w.pass(24 * time.Hour)
		if m := w.meta(s.ID); m.Status != record.Waiting || m.Epoch > 110 {
			t.Errorf("after a day it is %s in epoch %d, want it waiting and leased every quarter of an hour", m.Status, m.Epoch)
		}
		input.busy.Store(false)
		w.succeeds(s.ID, 16*time.Minute, `{"a":{"from":"a"}}`)
		w.called(s.ID, "a", 1)
	})
}

// Nobody waits for ever for what must end anyway: a cancel and a deadline count
// where an execution cannot be loaded, too.
func TestWhatCannotBeLoadedEndsAllTheSame(t *testing.T) {
	for name, c := range map[string]struct {
		cancel bool
		want   record.Status
	}{"a cancel": {true, record.Cancelled}, "its deadline": {false, record.TimedOut}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(oneStep)
				w.reads("1").busy.Store(true)
				w.lambda()
				w.cron()
				api := w.process("api")
				s, err := api.start(runner.StartRequest{Workflow: "one", Input: json.RawMessage(bulky(8)), Timeout: time.Hour})
				w.accepted("start", err)
				w.pass(10 * time.Minute)
				if c.cancel {
					w.accepted("cancel", api.cancel(s.ID))
				}
				if m := w.ends(s.ID, time.Hour); m.Status != c.want {
					t.Errorf("it ends as %s, want %s", m.Status, c.want)
				}
				w.called(s.ID, "a", 0)
			})
		})
	}
}

// Neither does a holder that dies before it could give back what it could not
// load keep it from ending.
func TestWhatCannotBeLoadedEndsWithoutItsHolder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		w.reads("1").busy.Store(true)
		w.when(nil, at("release"), diesBefore)
		w.lambda()
		w.cron()
		api := w.process("api")
		s, err := api.start(runner.StartRequest{Workflow: "one", Input: json.RawMessage(bulky(9))})
		w.accepted("start", err)
		w.pass(10 * time.Minute)
		w.accepted("cancel", api.cancel(s.ID))
		if m := w.ends(s.ID, 3*time.Hour); m.Status != record.Cancelled {
			t.Errorf("it ends as %s, want cancelled", m.Status)
		}
	})
}

// A signal that comes while an execution cannot be loaded does not keep its
// lease from being given back.
func TestASignalDoesNotKeepWhatCannotBeLoaded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		w.reads("1").busy.Store(true)
		api, one := w.process("api"), w.process("one")
		s, err := api.start(runner.StartRequest{Workflow: "one", Input: json.RawMessage(bulky(10))})
		w.accepted("start", err)
		w.when(one, at("release"), meanwhile(func() { w.accepted("pause", api.pause(s.ID)) }))
		one.take(w.message(s.ID)).wait()
		if m := w.meta(s.ID); m.LeaseUntil != 0 || m.Status != record.Waiting || !m.Pause {
			t.Errorf("%s, leased until %d, pause %v; want it given back with the pause noted", m.Status, m.LeaseUntil, m.Pause)
		}
	})
}
