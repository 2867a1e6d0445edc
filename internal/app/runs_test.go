package app_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// A retry appends a run: what the runs before it were given, did and answered
// can still be read, large values and edited inputs included.
func TestEarlierRunsStayReadable(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.register("echo", `{"name":"NAME","retry":"none","steps":[
		{"id":"call","type":"http","request":{"method":"POST","url":"URL/x"}},
		{"id":"big","type":"transform","output":"{{ repeat(input.letter, 3000) }}"}],
		"output":{"big":"{{ steps.big.output }}"}}`)
	b.broken.Store(1)
	id := b.run(runner.StartRequest{Workflow: "echo", Input: []byte(`{"letter":"a"}`)})
	b.retry(id, runner.RetryRequest{From: runner.FromFailed})
	b.retry(id, runner.RetryRequest{From: runner.FromStart, Input: []byte(`{"letter":"b","pad":"` + strings.Repeat("x1y2", 500) + `"}`)})
	b.retry(id, runner.RetryRequest{From: runner.FromStart})

	for run, want := range map[int]struct {
		status record.Status
		letter string
	}{1: {record.Failed, "a"}, 2: {record.Succeeded, "a"}, 3: {record.Succeeded, "b"}, 4: {record.Succeeded, "b"}} {
		x, err := b.History.GetRun(t.Context(), tenant, id, run)
		if err != nil {
			t.Fatalf("run %d: %v", run, err)
		}
		output := want.status != record.Succeeded || strings.Contains(string(x.Output), strings.Repeat(want.letter, 3000))
		if x.Run != run || x.Status != want.status || !output || !strings.Contains(string(x.Input), `"letter":"`+want.letter) || x.EndedAt == nil {
			t.Errorf("run %d is shown as run %d, %s, input %.40s, output of %d bytes; want %s of the letter %s", run, x.Run, x.Status, x.Input, len(x.Output), want.status, want.letter)
		}
		if len(x.Steps) != 2 || len(x.Steps[0].Attempts) != 1 {
			t.Errorf("run %d: its steps are %+v", run, x.Steps)
		}
	}
	for _, run := range []int{0, 5} {
		var p *problem.Error
		if _, err := b.History.GetRun(t.Context(), tenant, id, run); !errors.As(err, &p) || p.Code != problem.NotFound {
			t.Errorf("run %d: got %v, want a problem: not found", run, err)
		}
	}
}

// What is cancelled before its time has never started.
func TestADelayedExecutionHasNotStarted(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.register("later", five1K("10ms", ""))
	started, err := b.Runner.Start(t.Context(), runner.StartRequest{Tenant: tenant, Workflow: "later", Delay: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	b.sent.take() // the message that comes in a minute
	if err := b.Runner.Cancel(t.Context(), tenant, started.ID); err != nil {
		t.Fatal(err)
	}
	b.work()
	x, err := b.History.Get(t.Context(), tenant, started.ID)
	if err != nil || x.Status != record.Cancelled || x.StartedAt != nil {
		t.Errorf("it is shown as %+v (%v), want it cancelled and never started", x, err)
	}
}

func (b *bundle) retry(id string, q runner.RetryRequest) {
	b.t.Helper()
	if err := b.Runner.Retry(b.t.Context(), tenant, id, q); err != nil {
		b.t.Fatal(err)
	}
	b.work()
}
