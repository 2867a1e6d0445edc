package app_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/step/sfntest"
)

const (
	orders = "arn:aws:states:eu-central-1:123456789012:stateMachine:orders"
	quick  = "arn:aws:states:eu-central-1:123456789012:stateMachine:quick"

	standard = `{"name":"NAME","retry":{"strategy":"fixed","attempts":3,"initial":"1s","max":"1s","jitter":"none","on":["client_error","timeout","network"]},
		"steps":[{"id":"pay","type":"stepfunctions","stateMachine":"` + orders + `","input":{"n":"{{ input.n }}"}MORE}],"output":"{{ steps.pay.output }}"}`
	express = `{"name":"NAME","steps":[{"id":"fast","type":"stepfunctions","stateMachine":"` + quick + `","express":true,"retry":"none"}],"output":"{{ steps.fast.output }}"}`
)

// withStepFunctions is a bundle whose calls reach a fake Step Functions.
func withStepFunctions(t *testing.T) (*bundle, *sfntest.Fake) {
	t.Helper()
	b := newBundle(t)
	fake := sfntest.New(b.now)
	b.sfn = step.NewStateMachines(aws.Config{
		Region: "eu-central-1", HTTPClient: fake, Credentials: aws.AnonymousCredentials{}, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}, b.now, nil)
	b.tasks.Tasks = b.sfn.Tasks()
	return b, fake
}

func (b *bundle) ended(id string, want record.Status, output string) {
	b.t.Helper()
	x, err := b.History.Get(b.t.Context(), tenant, id)
	if err != nil || x.Status != want || string(x.Output) != output {
		b.t.Errorf("ended as %s with %s (%+v), %v; want %s with %s", x.Status, x.Output, x.Error, err, want, output)
	}
}

// TestStandardHoldsNoWorker: while the state machine runs nobody holds the
// execution, and what is waited for has a name and a time.
func TestStandardHoldsNoWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, fake := withStepFunctions(t)
		fake.Machine(orders, func(int) sfntest.Ending {
			return sfntest.Ending{After: 10 * time.Minute, Status: "SUCCEEDED", Output: `{"ok":true}`}
		})
		b.register("order", strings.ReplaceAll(standard, "MORE", ""))
		started, err := b.Runner.Start(t.Context(), runner.StartRequest{Tenant: tenant, Workflow: "order", Input: []byte(`{"n":7}`)})
		if err != nil {
			t.Fatal(err)
		}
		b.handle(1) // starts the state machine and looks once or twice
		x, err := b.History.Get(t.Context(), tenant, started.ID)
		if err != nil || x.Status != record.Waiting || len(x.WaitingFor) != 1 || x.WaitingFor[0].Reason != "poll" || x.WaitingFor[0].Step != "pay" || x.WaitingFor[0].Until == nil {
			t.Errorf("it is %s and waits for %+v, %v", x.Status, x.WaitingFor, err)
		}
		if x.Steps[0].Status != record.StepWaiting || len(x.Steps[0].Attempts) != 0 {
			t.Errorf("the step is %+v", x.Steps[0])
		}
		b.work()
		b.ended(started.ID, record.Succeeded, `{"ok":true}`)
		x, _ = b.History.Get(t.Context(), tenant, started.ID)
		if a := x.Steps[0].Attempts; len(a) != 1 || a[0].EndedAt.Sub(a[0].StartedAt) < 10*time.Minute {
			t.Errorf("the attempts are %+v, want one of ten minutes", a)
		}
		if all := fake.Executions(); len(all) != 1 || all[0].Input != `{"n":7}` || all[0].Name != started.ID+"-pay" {
			t.Errorf("started %+v", all)
		}
	})
}

// While looks are refused the execution waits, and the state machine goes on.
func TestStandardWhoseLooksAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, fake := withStepFunctions(t)
		fake.Machine(orders, func(int) sfntest.Ending {
			return sfntest.Ending{After: 10 * time.Minute, Status: "SUCCEEDED", Output: `{"ok":true}`}
		})
		for range 5 {
			fake.Refuse("DescribeExecution", 400, "AccessDeniedException")
		}
		b.register("order", strings.ReplaceAll(standard, "MORE", ""))
		id := b.run(runner.StartRequest{Workflow: "order", Input: []byte(`{"n":7}`)})
		b.ended(id, record.Succeeded, `{"ok":true}`)
		x, _ := b.History.Get(t.Context(), tenant, id)
		if all := fake.Executions(); len(all) != 1 || all[0].Aborted || len(x.Steps[0].Attempts) != 1 {
			t.Errorf("started %+v, attempts %+v", all, x.Steps[0].Attempts)
		}
	})
}

// Refused for ever, the step's timeout ends it.
func TestStandardThatCannotBeLookedAt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, fake := withStepFunctions(t)
		fake.Machine(orders, func(int) sfntest.Ending { return sfntest.Ending{After: time.Hour, Status: "SUCCEEDED"} })
		for range 100 {
			fake.Refuse("DescribeExecution", 400, "AccessDeniedException")
		}
		b.register("order", strings.ReplaceAll(standard, "MORE", `,"timeout":"10m"`))
		id := b.run(runner.StartRequest{Workflow: "order", Input: []byte(`{"n":7}`)})
		b.ended(id, record.Failed, "")
		x, _ := b.History.Get(t.Context(), tenant, id)
		if all := fake.Executions(); len(all) != 1 || !all[0].Aborted || x.Steps[0].Error.Category != "timeout" {
			t.Errorf("started %+v, the step's error is %+v", all, x.Steps[0].Error)
		}
	})
}

// handle works on the next n messages.
func (b *bundle) handle(n int) {
	b.t.Helper()
	for range n {
		m, more := b.sent.take()
		if !more {
			b.t.Fatal("no message is there")
		}
		if !b.deliver(m) {
			b.t.Fatal("a message was not done")
		}
	}
}

// A failed execution is followed by another under another name, as the step's
// policy says.
func TestStandardIsRetriedUnderAnotherName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, fake := withStepFunctions(t)
		fake.Machine(orders, func(n int) sfntest.Ending {
			if n < 3 {
				return sfntest.Ending{After: time.Minute, Status: "FAILED", Error: "Busy"}
			}
			return sfntest.Ending{Status: "SUCCEEDED"}
		})
		b.register("order", strings.ReplaceAll(standard, "MORE", ""))
		id := b.run(runner.StartRequest{Workflow: "order", Input: []byte(`{"n":7}`)})
		b.ended(id, record.Succeeded, `{"n":7}`)
		names := map[string]bool{}
		for _, x := range fake.Executions() {
			names[x.Name] = true
		}
		x, _ := b.History.Get(t.Context(), tenant, id)
		if len(names) != 3 || len(x.Steps[0].Attempts) != 3 || x.Steps[0].Attempts[0].Category != "client_error" {
			t.Errorf("%d names, attempts %+v", len(names), x.Steps[0].Attempts)
		}
	})
}

// Another run of the execution starts the state machine anew.
func TestStandardInAnotherRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, fake := withStepFunctions(t)
		fake.Machine(orders, func(n int) sfntest.Ending {
			return sfntest.Ending{Status: map[bool]string{true: "FAILED", false: "SUCCEEDED"}[n == 1]}
		})
		b.register("order", strings.ReplaceAll(standard, "MORE", `,"retry":"none"`))
		id := b.run(runner.StartRequest{Workflow: "order", Input: []byte(`{"n":7}`)})
		b.ended(id, record.Failed, "")
		b.retry(id, runner.RetryRequest{})
		b.ended(id, record.Succeeded, `{"n":7}`)
		if n := len(fake.Executions()); n != 2 {
			t.Errorf("%d executions, want 2", n)
		}
	})
}

// TestStandardIsStopped: by a cancel, by the step's timeout, by the workflow's,
// and by a sibling's failure.
func TestStandardIsStopped(t *testing.T) {
	t.Parallel()
	sibling := `,"needs":[]},{"id":"side","type":"http","needs":[],"retry":"none","request":{"url":"URL/x"}`
	for name, c := range map[string]struct {
		more   string
		limit  time.Duration
		broken int32
		cancel bool
		want   record.Status
	}{
		"cancelled":               {"", 0, 0, true, record.Cancelled},
		"the step's timeout":      {`,"timeout":"5m"`, 0, 0, false, record.Failed},
		"the execution's timeout": {"", 3 * time.Minute, 0, false, record.TimedOut},
		"a sibling fails":         {sibling, 0, 1, false, record.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, fake := withStepFunctions(t)
				fake.Machine(orders, func(int) sfntest.Ending { return sfntest.Ending{After: time.Hour, Status: "SUCCEEDED"} })
				b.register("order", strings.ReplaceAll(standard, "MORE", c.more))
				b.broken.Store(c.broken)
				started, err := b.Runner.Start(t.Context(), runner.StartRequest{Tenant: tenant, Workflow: "order", Input: []byte(`{"n":7}`), Timeout: c.limit})
				if err != nil {
					t.Fatal(err)
				}
				if c.cancel {
					b.handle(1)
					if err := b.Runner.Cancel(t.Context(), tenant, started.ID); err != nil {
						t.Fatal(err)
					}
				}
				b.work()
				b.ended(started.ID, c.want, "")
				if all := fake.Executions(); len(all) != 1 || !all[0].Aborted {
					t.Errorf("the state machine's executions are %+v, want one, stopped", all)
				}
			})
		})
	}
}

// That nothing could be stopped does not keep the execution from ending.
func TestStandardThatCannotBeStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, fake := withStepFunctions(t)
		fake.Machine(orders, func(int) sfntest.Ending { return sfntest.Ending{After: time.Hour, Status: "SUCCEEDED"} })
		fake.Refuse("StopExecution", 400, "AccessDeniedException")
		b.register("order", strings.ReplaceAll(standard, "MORE", `,"timeout":"1m"`))
		id := b.run(runner.StartRequest{Workflow: "order", Input: []byte(`{"n":7}`)})
		b.ended(id, record.Failed, "")
	})
}

// TestExpressRunsOnSolo, in one call, announced by a record of its own.
func TestExpressRunsOnSolo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, fake := withStepFunctions(t)
		var lane queue.Lane
		fake.Express(quick, func(int) sfntest.Ending {
			lane = b.lane
			return sfntest.Ending{Status: "SUCCEEDED", Output: `"done"`}
		})
		b.register("fast", express)
		id := b.run(runner.StartRequest{Workflow: "fast"})
		b.ended(id, record.Succeeded, `"done"`)
		if lane != queue.Solo || len(fake.Executions()) != 1 {
			t.Errorf("%d calls, the last on %s", len(fake.Executions()), lane)
		}
		if n := b.bill.writes["step"]; n != 1 {
			t.Errorf("%v writes of the step, want the intent alone: its outcome rides on the end", n)
		}
	})
}

// A call that found no connection has had no effect: it is made again as the
// policy says, and nobody is asked.
func TestExpressThatWasNotReached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, fake := withStepFunctions(t)
		fake.Express(quick, func(int) sfntest.Ending { return sfntest.Ending{Status: "SUCCEEDED", Output: `"done"`} })
		fake.Unreach("StartSyncExecution")
		b.register("fast", strings.ReplaceAll(express, `"retry":"none"`, `"retry":"production"`))
		id := b.run(runner.StartRequest{Workflow: "fast"})
		b.ended(id, record.Succeeded, `"done"`)
		x, _ := b.History.Get(t.Context(), tenant, id)
		if a := x.Steps[0].Attempts; len(a) != 2 || a[0].Category != "network" || len(fake.Executions()) != 1 {
			t.Errorf("attempts %+v, %d executions", a, len(fake.Executions()))
		}
	})
}

// TestExpressUnknown: an answer that is lost, and a worker that dies in the call.
// Neither is called again by itself; an operator's word is obeyed.
func TestExpressUnknown(t *testing.T) {
	t.Parallel()
	for name, died := range map[string]bool{"the answer is lost": false, "the worker dies": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, fake := withStepFunctions(t)
				fake.Express(quick, func(int) sfntest.Ending { return sfntest.Ending{Status: "SUCCEEDED", Output: `"done"`} })
				b.register("fast", express)
				fake.Lose("StartSyncExecution")
				started, err := b.Runner.Start(t.Context(), runner.StartRequest{Tenant: tenant, Workflow: "fast"})
				if err != nil {
					t.Fatal(err)
				}
				b.handle(1) // a shared lane passes it on to solo
				m, _ := b.sent.take()
				if died {
					intent := "s#1#fast"
					b.table.last.Store(&intent)
					if b.deliver(m) {
						t.Fatal("the message is done with, although its worker has died")
					}
					b.table.last.Store(nil)
					b.table.dead.Store(false)
					b.passed.Add(int64(5 * time.Minute))
				}
				b.deliver(m)
				b.work()
				x, err := b.History.Get(t.Context(), tenant, started.ID)
				if err != nil || x.Status != record.Paused || x.WaitingFor[0].Reason != "unknown" || x.Steps[0].Error.Category != "unknown" {
					t.Fatalf("it is %s and waits for %+v, step %+v, %v", x.Status, x.WaitingFor, x.Steps, err)
				}
				before := len(fake.Executions())
				if err := b.Runner.Resume(t.Context(), tenant, started.ID, runner.Decision{Step: "fast", As: runner.Again}); err != nil {
					t.Fatal(err)
				}
				b.work()
				b.ended(started.ID, record.Succeeded, `"done"`)
				if n := len(fake.Executions()) - before; n != 1 {
					t.Errorf("%d more calls after the decision, want 1", n)
				}
			})
		})
	}
}
