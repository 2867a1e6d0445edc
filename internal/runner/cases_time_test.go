package runner_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// keyed is a start of a workflow with an idempotency key.
func keyed(workflow string) runner.StartRequest {
	return runner.StartRequest{Workflow: workflow, Key: "the key", Body: sha256.Sum256([]byte(workflow))}
}

// started lists the executions that exist.
func (w *world) started() (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for pk := range w.states {
		_, id, _ := record.SplitPK(pk)
		ids = append(ids, id)
	}
	return ids
}

// IDEM written and its starter dead, 200 replays ten minutes later → one
// execution, one message, swept once; a replay after the META's TTL starts
// nothing twice.
func TestCase10ReplaysOfADeadStarter(t *testing.T) {
	// replay has the starter die before it writes META, and 200 others ask ten
	// minutes later.
	replay := func(w *world) (id string) {
		w.document(oneStep)
		w.cron()
		dying := w.process("dying")
		w.when(dying, at("start"), diesBefore)
		if _, err := dying.start(keyed("one")); err == nil {
			w.t.Fatal("the starter has not died")
		}
		w.pass(10 * time.Minute)
		if n := len(w.started()); n != 0 {
			w.t.Fatalf("%d executions exist, want none yet", n)
		}
		const each, processes = 20, 10
		answers := make(chan runner.Started, each*processes)
		for i := range processes {
			p := w.process(fmt.Sprintf("api%d", i))
			for range each {
				w.wg.Go(func() {
					s, err := p.start(keyed("one"))
					w.accepted("a replay", err)
					answers <- s
				})
			}
		}
		for range each * processes {
			s := <-answers
			if id = s.ID; !s.Replayed {
				w.t.Errorf("an answer says that %s is new", id)
			}
		}
		if ids := w.started(); len(ids) != 1 || ids[0] != id {
			w.t.Fatalf("%d executions exist, want %s alone", len(ids), id)
		}
		return id
	}
	t.Run("one message", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			id := replay(w)
			if first := w.message(id); first.Why != record.WhyStart {
				t.Errorf("the message is a %s", first.Why)
			}
			w.lambda()
			w.succeeds(id, time.Second, `{"a":{"from":"a"}}`)
			w.pass(10 * time.Minute)
			w.called(id, "a", 1)
			if n := w.peak(id); n != 1 {
				t.Errorf("%d messages at a time, want one", n)
			}
		})
	})
	t.Run("swept once", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			// The sweep has passed the time of this id long before. Without its
			// message only the due entry that came with META can save it.
			w.when(nil, sending(record.WhyStart), isLost)
			id := replay(w)
			sent := w.when(nil, sending(record.WhyWatch), meanwhile(func() {})).often()
			w.lambda()
			w.succeeds(id, 4*time.Minute, `{"a":{"from":"a"}}`)
			w.pass(10 * time.Minute)
			if n := sent.sprung(); n != 1 {
				t.Errorf("the sweep has sent %d messages, want one", n)
			}
			w.called(id, "a", 1)
			w.silent(id, time.Second)
		})
	})
	t.Run("after the end of the key and of the execution", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(oneStep)
			w.lambda()
			api := w.process("api")
			first, err := api.start(keyed("one"))
			w.accepted("the start", err)
			w.succeeds(first.ID, time.Second, `{"a":{"from":"a"}}`)

			w.pass(24*time.Hour - 2*time.Second)
			if s, err := api.start(keyed("one")); err != nil || s.ID != first.ID || !s.Replayed || !s.Ended {
				t.Errorf("a replay within the key's life is answered with %+v, %v", s, err)
			}
			// META and IDEM expire; the store has not deleted them yet.
			w.pass(time.Until(time.Unix(w.meta(first.ID).Expires, 0)) + time.Second)
			second, err := api.start(keyed("one"))
			w.accepted("a start with the same key, months later", err)
			if second.ID == first.ID || second.Replayed {
				t.Errorf("it is answered with %+v, want a new execution", second)
			}
			w.succeeds(second.ID, time.Second, `{"a":{"from":"a"}}`)
			if s, err := api.start(keyed("one")); err != nil || s.ID != second.ID {
				t.Errorf("its replay is answered with %+v, %v, want %s", s, err, second.ID)
			}
			w.called(first.ID, "a", 1)
			w.called(second.ID, "a", 1)
		})
	})
}

// A poll every 60 s for 24 h with 1 % duplicated sends, and an hour's backlog
// with 60 sweeps → at most 4 live messages per execution.
func TestCase11MessagesDoNotMultiply(t *testing.T) {
	t.Run("a day of polling", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			// A step has at most 100 attempts, so a day takes 15 runs.
			const runs, polls = 15, 96
			list := make([]answer, 0, runs*(polls+1))
			for range runs {
				for range polls {
					list = append(list, answer{fails: retry.Upstream})
				}
				list = append(list, answer{})
			}
			w.answers("a", list...)
			w.document(strings.Replace(oneStep, "type: http", "type: http, retry: {strategy: fixed, initial: 60s, attempts: 100, jitter: none}", 1))
			sends := 0
			w.when(nil, point{"a send", func(o *op) bool { return o.kind == "send" }}, func(o *op, apply func() error) error {
				if sends++; sends%100 == 50 {
					return sentTwice(o, apply)
				}
				return apply()
			}).often()
			w.lambda()
			w.cron()
			api := w.process("api")
			id := api.begins("one")
			for run := range runs {
				if run > 0 {
					w.accepted("the retry", api.retry(id, runner.FromStart))
				}
				w.succeeds(id, 2*time.Hour, `{"a":{"from":"a"}}`)
			}
			if day := w.since(); day < 24*time.Hour {
				t.Errorf("the polling took %s, want a day", day)
			}
			w.called(id, "a", runs*(polls+1))
			if n := w.peak(id); n < 2 || n > 4 {
				t.Errorf("%d messages at a time, want 2 to 4", n)
			}
			w.silent(id, time.Hour)
		})
	})
	t.Run("an hour's backlog", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(oneStep)
			w.document(asking)
			api := w.process("api")
			w.cron()
			var ids []string
			for range 20 {
				ids = append(ids, api.begins("one"))
			}
			asks := api.begins("asking")
			w.process("one").take(w.message(asks)).wait()
			w.accepted("the callback", api.callback(asks, "word", `"yes"`))
			w.pass(time.Hour)
			w.lambda()
			for _, id := range ids {
				w.succeeds(id, time.Minute, `{"a":{"from":"a"}}`)
				w.called(id, "a", 1)
			}
			w.succeeds(asks, time.Minute, `{"word":"yes"}`)
			for _, id := range append(ids, asks) {
				if n := w.peak(id); n > 4 {
					t.Errorf("%s had %d messages at a time, want at most 4", id, n)
				}
				w.silent(id, time.Hour)
			}
		})
	})
	t.Run("a lane that is never empty", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.document(oneStep)
			api := w.process("api")
			api.begins("one") // its message stays, as if there were always another
			w.when(api, sending(record.WhyStart), isLost)
			lost := api.begins("one")
			w.when(nil, point{"the first watch of the one that is lost", func(o *op) bool {
				return o.kind == "send" && o.hint.PK == record.PK(tenant, lost)
			}}, isLost)
			w.cron()
			w.until("the sweep sends again although there is a backlog", 90*time.Minute, func() bool { return len(w.messages(lost)) > 0 })
			if at := w.since(); at < time.Hour {
				t.Errorf("it has sent after %s; a lane with a backlog is not to grow so soon", at)
			}
			w.lambda()
			w.succeeds(lost, time.Second, `{"a":{"from":"a"}}`)
		})
	})
}

// `delay: 10m` and `delay: 3d`, with replays, redeliveries, sweeps, pause and
// resume in between → started once, not early.
func TestCase14DelayedStartIsNotEarly(t *testing.T) {
	for _, delay := range []time.Duration{10 * time.Minute, 72 * time.Hour} {
		t.Run(delay.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(oneStep)
				w.lambda()
				w.cron()
				api := w.process("api")
				q := keyed("one")
				q.Delay = delay
				first, err := api.start(q)
				w.accepted("the start", err)
				id := first.ID
				replay := func() {
					if s, err := api.start(q); err != nil || s.ID != id || !s.Replayed {
						t.Errorf("a replay is answered with %+v, %v", s, err)
					}
				}
				w.pass(5 * time.Second)
				replay()
				w.pass(delay/10 - 5*time.Second)
				replay()
				for _, m := range w.messages(id) {
					twin := w.double(m)
					w.hold(twin, 0) // and it comes at once
				}
				w.pass(delay / 10)
				w.accepted("pause", api.pause(id))
				w.until("it is paused", 5*time.Second, func() bool { return w.status(id) == record.Paused })
				w.pass(delay / 10)
				replay()
				w.accepted("resume", api.resume(id))
				w.pass(delay / 10)
				for _, m := range w.messages(id) {
					w.hold(m, 0) // a message too early, as a lost visibility would make it
				}
				w.pass(delay/2 - time.Minute)
				replay()
				w.called(id, "a", 0)
				if st := w.status(id); st != record.Queued {
					t.Errorf("a minute before its time it is %s, want queued", st)
				}
				w.succeeds(id, delay/10+2*time.Minute, `{"a":{"from":"a"}}`)
				replay()
				w.pass(10 * time.Minute)
				w.called(id, "a", 1)
				late := first.Created.Add(delay).Sub(w.start)
				if at := w.calls(id, "a")[0].at; at < late || at > late+5*time.Second {
					t.Errorf("started %s after its time", at-late)
				}
				w.silent(id, 20*time.Minute)
			})
		})
	}
}
