package app_test

import (
	"errors"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// A hidden workflow starts nothing, also not in a version that is asked for by
// its number. What a key has started before is answered as before.
func TestAHiddenWorkflowStartsNothing(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.register("gone", `{"name":"NAME","steps":[{"id":"a","type":"transform","output":1}]}`)
	keyed := runner.StartRequest{Tenant: tenant, Workflow: "gone", Version: 1, Key: "k-1"}
	id := b.run(keyed)
	if err := b.Registry.Delete(t.Context(), tenant, "gone"); err != nil {
		t.Fatal(err)
	}
	for name, version := range map[string]int{"live": 0, "by its number": 1} {
		_, err := b.Runner.Start(t.Context(), runner.StartRequest{Tenant: tenant, Workflow: "gone", Version: version})
		var p *problem.Error
		if !errors.As(err, &p) || p.Code != problem.NotFound {
			t.Errorf("%s: got %v, want a problem: not found", name, err)
		}
	}
	if again, err := b.Runner.Start(t.Context(), keyed); err != nil || again.ID != id || !again.Replayed {
		t.Errorf("the replay is answered with %+v, %v; want %s", again, err, id)
	}
}
