package app_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// A start that is refused leaves nothing behind: no execution, no key, no
// message. The key is free for a start that is right.
func TestRefusedStartsWriteNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		start runner.StartRequest
		code  problem.Code
		where string // pointer of the first fault
	}{
		"unknown workflow":             {runner.StartRequest{Workflow: "nobody"}, problem.NotFound, ""},
		"unknown workflow, with a key": {runner.StartRequest{Workflow: "nobody", Key: "k"}, problem.NotFound, ""},
		"unknown version":              {runner.StartRequest{Workflow: "strict", Version: 2, Key: "k"}, problem.NotFound, ""},
		"input that is missing":        {runner.StartRequest{Workflow: "strict"}, problem.Invalid, "/input"},
		"input against the schema":     {runner.StartRequest{Workflow: "strict", Key: "k", Input: []byte(`{"n":"one"}`)}, problem.Invalid, "/input/n"},
		"key with another body":        {runner.StartRequest{Workflow: "strict", Key: "used", Body: [32]byte{2}, Input: []byte(`{"n":1}`)}, problem.KeyReused, ""},
		"key with another bad body":    {runner.StartRequest{Workflow: "nobody", Key: "used", Body: [32]byte{2}}, problem.KeyReused, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBundle(t)
				b.register("strict", `{"name":"NAME","input":{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}},
					"steps":[{"id":"a","type":"transform","output":1}]}`)
				right := runner.StartRequest{Workflow: "strict", Key: "used", Body: [32]byte{1}, Input: []byte(`{"n":1}`)}
				b.run(right)
				b.bill = bill{writes: map[string]float64{}}

				c.start.Tenant = tenant
				_, err := b.Runner.Start(t.Context(), c.start)
				var p *problem.Error
				if !errors.As(err, &p) || p.Code != c.code {
					t.Fatalf("got %v, want a problem: %s", err, c.code)
				}
				if c.where != "" && (len(p.Faults) == 0 || p.Faults[0].Pointer != c.where) {
					t.Errorf("faults %v, want one at %s", p.Faults, c.where)
				}
				// A key is looked for by a conditional write, which is billed and
				// changes nothing where it fails.
				for kind, units := range b.bill.writes {
					if kind != "key" || c.start.Key != "used" {
						t.Errorf("%v units were written: %s", units, kind)
					}
				}
				if m, sent := b.sent.take(); sent {
					t.Errorf("a message was sent: %s", m.Body)
				}
				if again, err := b.Runner.Start(t.Context(), withTenant(right)); err != nil || !again.Replayed {
					t.Errorf("the right start is then answered with %+v, %v", again, err)
				}
				if c.start.Key == "k" {
					fresh := runner.StartRequest{Workflow: "strict", Key: "k", Input: []byte(`{"n":2}`)}
					if made, err := b.Runner.Start(t.Context(), withTenant(fresh)); err != nil || made.Replayed {
						t.Errorf("the key is not free any more: %+v, %v", made, err)
					}
				}
			})
		})
	}
}

func withTenant(s runner.StartRequest) runner.StartRequest {
	s.Tenant = tenant
	return s
}
