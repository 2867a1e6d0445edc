package app_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/step/sfntest"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// startLong starts an execution that waits for a state machine of an hour, and
// returns its first message.
func (b *bundle) startLong(fake *sfntest.Fake, s runner.StartRequest) (id string, first queue.Message) {
	b.t.Helper()
	fake.Machine(orders, func(int) sfntest.Ending { return sfntest.Ending{After: time.Hour, Status: "SUCCEEDED"} })
	b.register("order", strings.ReplaceAll(standard, "MORE", ""))
	s.Tenant, s.Workflow, s.Input = tenant, "order", []byte(`{"n":7}`)
	started, err := b.Runner.Start(b.t.Context(), s)
	if err != nil {
		b.t.Fatal(err)
	}
	first, _ = b.sent.take()
	return started.ID, first
}

// dies delivers a message to a worker that dies over it.
func (b *bundle) dies(m queue.Message) {
	b.t.Helper()
	b.kills.Store(1)
	if b.deliver(m) || !b.table.dead.Load() {
		b.t.Fatal("the message is done with, although its worker was to die")
	}
	b.revive()
}

// onSolo hands a message whose holder has died on to solo.
func (b *bundle) onSolo(m queue.Message) queue.Message {
	b.t.Helper()
	if !b.deliver(m) {
		b.t.Fatal("a message was not done")
	}
	solo, _ := b.sent.take()
	if solo.Lane != queue.Solo {
		b.t.Fatalf("it is handed on to %s", solo.Lane)
	}
	return solo
}

// lives is how many workers may die on solo over an execution that gets nowhere.
const lives = 4

// diesOften delivers a message to workers that die over it, until the next one
// will end its execution.
func (b *bundle) diesOften(m queue.Message) queue.Message {
	b.t.Helper()
	b.dies(m)
	m = b.onSolo(m)
	for range lives {
		b.dies(m)
	}
	return m
}

func stopped(t *testing.T, fake *sfntest.Fake) {
	t.Helper()
	if all := fake.Executions(); len(all) != 1 || !all[0].Aborted {
		t.Errorf("the state machine's executions are %+v, want one, stopped", all)
	}
}

// TestStandardOfADeadWorkerIsStopped: the worker has started the state machine and
// died before it could record that. The takeover, which ends the execution, stops
// what no record tells of.
func TestStandardOfADeadWorkerIsStopped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit time.Duration
		want  record.Status
	}{"cancelled": {0, record.Cancelled}, "the execution's timeout": {4 * time.Minute, record.TimedOut}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, fake := withStepFunctions(t)
				id, m := b.startLong(fake, runner.StartRequest{Timeout: c.limit})
				b.dies(m)
				m = b.onSolo(m)
				if c.limit == 0 {
					if err := b.Runner.Cancel(t.Context(), tenant, id); err != nil {
						t.Fatal(err)
					}
				}
				b.deliver(m)
				b.ended(id, c.want, "")
				stopped(t, fake)
			})
		})
	}
}

// What no worker will go on with is stopped before the end is written, by whoever
// writes it.
func TestAbandonedStandardIsStopped(t *testing.T) {
	t.Parallel()
	for name, abandon := range map[string]func(b *bundle, id string, m queue.Message){
		"crashed": func(b *bundle, _ string, m queue.Message) {
			b.deliver(b.diesOften(m))
		},
		"as a dead letter": func(b *bundle, _ string, m queue.Message) {
			m = b.diesOften(m)
			b.Runner.DeadLetter(b.t.Context(), []queue.Delivery{{ID: "d", Body: m.Body, Lane: queue.Dead}})
		},
		"going round in circles": func(b *bundle, id string, m queue.Message) {
			b.deliver(m)
			m.Body = record.Message{PK: record.PK(tenant, id), Run: 1, Epoch: 1, Hops: record.MaxHops, Why: record.WhyTimer}.Encode()
			b.deliver(m)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, fake := withStepFunctions(t)
				id, m := b.startLong(fake, runner.StartRequest{})
				abandon(b, id, m)
				b.ended(id, record.Failed, "")
				stopped(t, fake)
			})
		})
	}
}

// Neither a Step Functions that refuses nor workers that die over the stopping
// keep an abandoned execution from ending.
func TestAbandonedStandardThatCannotBeStopped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ deaths, stops int }{"refused": {0, 1}, "the worker dies once": {1, 2}, "each time": {1000, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, fake := withStepFunctions(t)
				id, m := b.startLong(fake, runner.StartRequest{})
				m = b.diesOften(m)
				if c.deaths == 0 {
					fake.Refuse("StopExecution", 400, "AccessDeniedException")
				}
				tries := 0
				for ; tries < 10; tries++ {
					b.kills.Store(int32(min(1, max(0, c.deaths-tries))))
					if b.deliver(m) {
						break
					}
					b.revive()
				}
				b.ended(id, record.Failed, "")
				if n := fake.Calls("StopExecution"); n != c.stops || tries > 3 {
					t.Errorf("%d stops, %d failed deliveries; want %d and 3 at most", n, tries, c.stops)
				}
			})
		})
	}
}

// TestTaskThroughTheServices: a task on the real client of Step Functions. Its
// token is nowhere but in its own record, and there no longer than it is needed.
func TestTaskThroughTheServices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		broken int32
		want   sfntest.Told
	}{
		"succeeds": {0, sfntest.Told{Operation: "SendTaskSuccess"}},
		"fails":    {1, sfntest.Told{Operation: "SendTaskFailure", Error: "Stepline.upstream", Cause: "the service answered 503"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, fake := withStepFunctions(t)
				const token = "AQCEAAAAKgAAAAMAAAAAAAAAAT+secret/sample="
				fake.OpenTask(token, time.Hour, 0)
				fake.Lose(c.want.Operation) // the answer, so that the sweeper has to tell it again
				b.register("one", `{"name":"NAME","retry":"none","steps":[{"id":"a","type":"http","request":{"url":"URL"}}],"output":{"id":"{{ steps.a.output.id }}"}}`)
				b.broken.Store(c.broken)
				id := b.run(runner.StartRequest{Workflow: "one", Task: &runner.TaskRequest{Token: token, Heartbeat: 5 * time.Minute}})
				x, err := b.History.Get(t.Context(), tenant, id)
				if err != nil {
					t.Fatal(err)
				}
				c.want.Output, c.want.At = string(x.Output), time.Now()
				if ends := fake.Ends(token); len(ends) != 1 || ends[0] != c.want {
					t.Errorf("the task is told %+v, want %+v", ends, c.want)
				}
				if got := fmt.Sprintf("%+v", x); strings.Contains(got, token) {
					t.Errorf("the execution shows the token: %s", got)
				}
				b.passed.Add(int64(3 * time.Minute))
				if err := b.Runner.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := fake.Calls(c.want.Operation); n != 2 || len(fake.Ends(token)) != 1 {
					t.Errorf("%d calls and %d ends, want two and one", n, len(fake.Ends(token)))
				}
				if err := b.Runner.Sweep(t.Context()); err != nil || fake.Calls(c.want.Operation) != 2 {
					t.Errorf("a further sweep tells it again, or %v", err)
				}
				if kept := b.everything(id); strings.Contains(kept, token) || strings.Contains(b.log.String(), token) {
					t.Errorf("the token is still there, in\n%s\nor in the log\n%s", kept, b.log.String())
				}
			})
		})
	}
}

// everything is what the table holds of an execution.
func (b *bundle) everything(id string) string {
	b.t.Helper()
	var all strings.Builder
	page, err := b.table.Query(context.Background(), allOf(record.PK(tenant, id)))
	if err != nil || page.Next != "" {
		b.t.Fatal(page.Next, err)
	}
	for _, it := range page.Items {
		fmt.Fprintf(&all, "%+v\n", it)
	}
	return all.String()
}

func allOf(pk string) table.Query { return table.Query{PK: pk, Strong: true} }

// A task costs its own record and nothing else: the execution's writes are the
// same as without.
func TestUnitsOfATask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, fake := withStepFunctions(t)
		fake.OpenTask("token", 0, 0)
		b.register("five", five1K("10ms", ""))
		b.run(runner.StartRequest{Workflow: "five"})
		b.bill = bill{writes: map[string]float64{}}
		b.run(runner.StartRequest{Workflow: "five", Input: []byte(`{"order":"o-1"}`), Task: &runner.TaskRequest{Token: "token"}})
		// Put into the due index, moved in it, taken out of it.
		want := map[string]float64{"start": 2, "lease": 1, "step": 4, "finish": 1, "task": 2 + 3 + 2}
		if !maps.Equal(b.bill.writes, want) || b.bill.reads != 0 {
			t.Errorf("write units %v and %v read units, want %v and none", b.bill.writes, b.bill.reads, want)
		}
	})
}
