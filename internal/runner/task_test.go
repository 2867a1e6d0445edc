package runner_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

const errand = `
name: errand
steps:
  - {id: a, type: http, request: {url: "http://there/a"}, retry: none}
  - {id: w, type: wait, duration: 30s}
  - {id: z, type: http, request: {url: "http://there/z"}, retry: none}
output: "{{ steps.z.output.from }}"
`

// A task is told how its execution ends, soon and always the same, whatever
// fails and whoever dies at any write, send or call about it.
func TestEveryEndIsToldToItsTask(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  answer
		cancel  bool
		timeout time.Duration
		status  record.Status
		want    string
	}{
		"succeeded": {answer{}, false, 0, record.Succeeded, `succeeded "z"`},
		"failed":    {answer{fails: retry.Upstream, says: "503 of there"}, false, 0, record.Failed, "failed Stepline.upstream: 503 of there"},
		"cancelled": {answer{}, true, 0, record.Cancelled, "failed Stepline.cancelled: cancelled on request"},
		"timed out": {answer{}, false, 20 * time.Second, record.TimedOut, "failed Stepline.timed_out: the execution's timeout passed"},
	} {
		run := func(w *world) {
			w.document(errand)
			w.answers("z", c.answer)
			w.pair()
			w.cron()
			id := w.insistsFor(runner.StartRequest{Workflow: "errand", Key: "k", Timeout: c.timeout, Task: &runner.TaskRequest{Token: "t"}})
			if c.cancel {
				w.pass(5 * time.Second)
				w.insistsOn("cancel", func(ctx context.Context, r *runner.Runner) error { return r.Cancel(ctx, tenant, id) })
			}
			if m := w.ends(id, 10*time.Minute); m.Status != c.status {
				w.t.Fatalf("it ended as %s (%v), want %s", m.Status, m.Error, c.status)
			}
			w.answered("t", 4*time.Minute, c.want)
			w.until("the token is gone", 4*time.Minute, func() bool { return w.taskToken(id) == "" })
			w.pass(5 * time.Minute)
			w.answered("t", 0, c.want)
			if n := len(w.told("t", false)); n > 2 {
				w.t.Errorf("told %d times, want once, and once more at most", n)
			}
		}
		points := 0
		t.Run(name, func(t *testing.T) {
			oneWorld(t, func(w *world) {
				run(w)
				points = w.effects
				if n := len(w.told("t", false)); n != 1 {
					t.Errorf("straight through it is told %d times", n)
				}
			})
		})
		for what, f := range map[string]fault{"dies before": diesBefore, "dies after": diesAfter, "lost before": neverArrives, "lost after": replyLost} {
			for n := 1; n <= points; n++ {
				t.Run(fmt.Sprint(name, " ", what, " ", n), func(t *testing.T) {
					t.Parallel()
					oneWorld(t, func(w *world) {
						w.when(nil, effect(n), f)
						run(w)
					})
				})
			}
		}
	}
}

// insistsFor starts until it is answered.
func (w *world) insistsFor(q runner.StartRequest) (id string) {
	w.insistsOn("start", func(ctx context.Context, r *runner.Runner) error {
		q.Tenant = tenant
		s, err := r.Start(ctx, q)
		id = s.ID
		return err
	})
	return id
}

// insistsOn asks until there is an answer; a conflict is one.
func (w *world) insistsOn(what string, f func(context.Context, *runner.Runner) error) {
	for n := 1; ; n++ {
		err := w.process(fmt.Sprint(what, n)).ask(f)
		if err == nil || n > 1 && problem.CodeOf(err) == problem.Conflict {
			return
		}
		if !errors.Is(err, errDied) && problem.CodeOf(err) != problem.Unavailable {
			w.t.Fatalf("%s: %v", what, err)
		}
		w.pass(15 * time.Second)
	}
}

// A worker that lives tells the task at once; the sweeper, which finds it told,
// says nothing.
func TestTaskIsToldAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(errand)
		w.lambda()
		w.cron()
		s, _ := w.process("api").start(runner.StartRequest{Workflow: "errand", Task: &runner.TaskRequest{Token: "t"}})
		m := w.ends(s.ID, 2*time.Minute)
		w.answered("t", time.Second, `succeeded "z"`)
		if late := w.told("t", false)[0].at - time.UnixMilli(m.Ended).Sub(w.start); late > time.Second {
			t.Errorf("told %s after the end", late)
		}
		w.pass(2 * time.Hour)
		if n := len(w.told("t", false)); n != 1 || len(w.told("t", true)) > 0 {
			t.Errorf("told %d ends and %d signs of life, want one and none", n, len(w.told("t", true)))
		}
		mark := w.item(record.TaskKey(record.PK(tenant, s.ID)))
		if mark[record.AtTaskEnd].Str() != "told" || mark["qp"].Str() != "" || mark["xp"] != w.item(record.MetaKey(tenant, s.ID))["xp"] {
			t.Errorf("what stays is %v", mark)
		}
	})
}

// The worker is about to tell while the sweeper already does: the same is said
// twice, and nothing is left.
func TestTaskToldByTwo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(errand)
		w.cron()
		s, _ := w.process("api").start(runner.StartRequest{Workflow: "errand", Task: &runner.TaskRequest{Token: "t"}})
		slow := w.process("slow")
		w.when(slow, at("tell"), freezes(3*time.Minute))
		slow.take(w.message(s.ID)).wait()
		w.pass(30 * time.Second)
		slow.take(w.message(s.ID))
		w.until("two have told", 10*time.Minute, func() bool { return len(w.told("t", false)) == 2 })
		w.answered("t", 0, `succeeded "z"`)
		w.pass(time.Hour)
		if both := w.told("t", false); len(both) != 2 || both[0].by == both[1].by || w.taskToken(s.ID) != "" {
			t.Errorf("told %+v, token %q", both, w.taskToken(s.ID))
		}
	})
}

// What ends without a run of its own is told at once as well, by whoever ends it.
func TestTaskOfACrashed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(errand)
		w.answers("a", answer{then: func(m made) { m.by.kill() }})
		w.lambda()
		w.cron()
		s, _ := w.process("api").start(runner.StartRequest{Workflow: "errand", Task: &runner.TaskRequest{Token: "t"}})
		if m := w.ends(s.ID, time.Hour); m.Error == nil || m.Error.Category != "crashed" {
			t.Fatalf("it ended as %s, %v", m.Status, m.Error)
		}
		w.answered("t", time.Second, "failed Stepline.crashed: its workers died repeatedly before any step was recorded")
	})
}

// A Step Functions that answers nothing for hours hears of it afterwards, and
// holds nothing else up meanwhile.
func TestTaskOfASilentStepFunctions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(errand)
		w.lambda()
		w.cron()
		w.silences(5 * time.Hour)
		s, _ := w.process("api").start(runner.StartRequest{Workflow: "errand", Task: &runner.TaskRequest{Token: "t"}})
		w.ends(s.ID, 2*time.Minute)
		w.pass(5 * time.Hour)
		if n := len(w.told("t", false)); n != 0 {
			t.Fatalf("told %d times", n)
		}
		w.answered("t", 63*time.Minute, `succeeded "z"`)
	})
}

const sleeper = `
name: sleeper
steps:
  - {id: w, type: wait, duration: 2h}
output: "woken"
`

// Signs of life come often enough, from the start to the end.
func TestTaskHeartbeat(t *testing.T) {
	for _, every := range []time.Duration{runner.MinHeartbeat, 20 * time.Minute} {
		t.Run(every.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(sleeper)
				w.lambda()
				w.cron()
				s, _ := w.process("api").start(runner.StartRequest{Workflow: "sleeper", Task: &runner.TaskRequest{Token: "t", Heartbeat: every}})
				w.ends(s.ID, 3*time.Hour)
				w.answered("t", time.Minute, `succeeded "woken"`)
				last := time.Duration(0)
				for _, b := range append(w.told("t", true), w.told("t", false)...) {
					if gap := b.at - last; gap > every*3/4 {
						t.Errorf("%s without a sign of life before %s", gap, b.at)
					}
					last = b.at
				}
				if n := len(w.told("t", true)); n > int(2*time.Hour/every)*3+1 {
					t.Errorf("%d signs of life in two hours", n)
				}
			})
		})
	}
}

// However many dues stand before a task in its shard, and however long they take,
// its sign of life is given meanwhile.
func TestHeartbeatsDoNotWaitForDues(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(sleeper)
		api, s := w.process("api"), w.process("s")
		due, err := api.start(runner.StartRequest{Workflow: "sleeper", Delay: 30 * time.Minute})
		w.accepted("start", err)
		w.pass(30*time.Minute - 30*time.Second)
		token := ""
		for id := ""; record.DuePK(id) != record.DuePK(due.ID); {
			token += "t"
			task, err := api.start(runner.StartRequest{Workflow: "sleeper", Task: &runner.TaskRequest{Token: token, Heartbeat: runner.MinHeartbeat}})
			w.accepted("start", err)
			id = task.ID
		}
		w.pass(time.Minute) // its entry is due 30 s after the other
		w.when(s, sending(record.WhyWatch), meanwhile(func() {
			w.until("the task has its sign of life", 10*time.Second, func() bool { return len(w.told(token, true)) > 0 })
		}))
		w.accepted("the sweep", s.sweep())
	})
}

// A worker that dies over the end of a long wait, and a TASK that was not looked
// at for an hour: the sweeper was told before.
func TestTaskAfterALongWait(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(sleeper)
		w.lambda()
		w.cron()
		s, _ := w.process("api").start(runner.StartRequest{Workflow: "sleeper", Task: &runner.TaskRequest{Token: "t"}})
		w.when(nil, at("finish"), diesAfter)
		w.ends(s.ID, 3*time.Hour)
		w.answered("t", 2*time.Minute, `succeeded "woken"`)
	})
}

// When nobody waits for the task any more, nobody waits for the execution: it is
// cancelled, also where the sweeper dies over it.
func TestTaskOverCancels(t *testing.T) {
	for name, at := range map[string]*point{"nobody dies": nil, "dies over the cancel": {"signal", at("signal").is}, "dies over the mark": {"task", func(o *op) bool {
		return o.kind == "task" && o.write.Set[record.AtTaskEnd].Str() != ""
	}}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(sleeper)
				w.lambda()
				w.cron()
				s, _ := w.process("api").start(runner.StartRequest{Workflow: "sleeper", Task: &runner.TaskRequest{Token: "t", Heartbeat: 5 * time.Minute}})
				w.pass(10 * time.Minute)
				w.givesUp("t")
				if at != nil {
					w.when(nil, *at, diesBefore)
				}
				if m := w.ends(s.ID, 10*time.Minute); m.Status != record.Cancelled {
					t.Errorf("it ended as %s", m.Status)
				}
				w.until("the token is gone", 10*time.Minute, func() bool { return w.taskToken(s.ID) == "" })
			})
		})
	}
}

// A starter that dies before META leaves nothing that is stuck: with a key the
// start is finished later, without one the record is done with after a day.
func TestDeadStartersTask(t *testing.T) {
	for _, key := range []string{"k", ""} {
		t.Run("key "+key, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(errand)
				w.lambda()
				w.cron()
				q := runner.StartRequest{Workflow: "errand", Key: key, Task: &runner.TaskRequest{Token: "t", Heartbeat: 5 * time.Minute}}
				w.when(nil, at("task"), diesAfter)
				if _, err := w.process("dead").start(q); !errors.Is(err, errDied) {
					t.Fatal(err)
				}
				w.pass(20 * time.Hour)
				if n := len(w.tasks.told); n != 0 {
					t.Fatalf("a task without an execution is told %+v", w.tasks.told)
				}
				if key != "" {
					if _, err := w.process("again").start(q); err != nil {
						t.Fatal(err)
					}
					w.answered("t", 3*time.Minute, `succeeded "z"`)
				}
				w.pass(8 * time.Hour)
				w.mu.Lock()
				defer w.mu.Unlock()
				for k, a := range w.table {
					if k.SK == record.TaskSK && (a[record.AtTaskToken].Str() != "" || a["qp"].Str() != "") {
						t.Errorf("there is still %v", a)
					}
				}
			})
		})
	}
}

// A replay finds what the first start made, and brings nothing back: the task has
// been told.
func TestTaskAndReplays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(errand)
		w.lambda()
		w.cron()
		q := runner.StartRequest{Workflow: "errand", Key: "k", Task: &runner.TaskRequest{Token: "t"}}
		p := w.process("api")
		s, _ := p.start(q)
		if again, err := p.start(q); err != nil || again.ID != s.ID || !again.Replayed {
			t.Errorf("the replay is answered with %+v, %v", again, err)
		}
		w.ends(s.ID, 2*time.Minute)
		w.pass(time.Minute)
		if again, err := p.start(q); err != nil || !again.Ended || w.taskToken(s.ID) != "" {
			t.Errorf("the late replay is answered with %+v, %v; token %q", again, err, w.taskToken(s.ID))
		}
		w.pass(3 * time.Hour)
		if n := len(w.told("t", false)); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

// The task waits for the first run. Another run tells it nothing; and where that
// one begins before anybody could tell, it is the first run's end that is told.
func TestTaskAndRetry(t *testing.T) {
	for name, silent := range map[string]bool{"told before": false, "not told yet": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.document(errand)
				w.answers("z", answer{fails: retry.Upstream, says: "no"}, answer{})
				w.lambda()
				w.cron()
				if silent {
					w.silences(5 * time.Minute)
				}
				p := w.process("api")
				s, _ := p.start(runner.StartRequest{Workflow: "errand", Task: &runner.TaskRequest{Token: "t", Heartbeat: 5 * time.Minute}})
				if m := w.ends(s.ID, 2*time.Minute); m.Status != record.Failed {
					t.Fatalf("the first run ended as %s", m.Status)
				}
				w.pass(5 * time.Second)
				if err := p.retry(s.ID, runner.FromFailed); err != nil {
					t.Fatal(err)
				}
				w.until("the second run succeeds", 5*time.Minute, func() bool { return w.status(s.ID) == record.Succeeded })
				w.answered("t", 15*time.Minute, "failed Stepline.upstream: no")
				w.pass(3 * time.Hour)
				if n := len(w.told("t", false)); n != 1 || w.taskToken(s.ID) != "" {
					t.Errorf("told %d times, token %q", n, w.taskToken(s.ID))
				}
			})
		})
	}
}

// Where no task can be answered, a start that brings one is refused.
func TestTaskRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(errand)
		p := w.process("api", func(c *runner.Config) { c.Tasks = nil })
		_, err := p.start(runner.StartRequest{Workflow: "errand", Task: &runner.TaskRequest{Token: "t"}})
		var e *problem.Error
		if !errors.As(err, &e) || e.Code != problem.Invalid || e.Faults[0].Pointer != "/stepFunctions" || w.effects != 0 {
			t.Errorf("refused with %v after %d writes", err, w.effects)
		}
	})
}
