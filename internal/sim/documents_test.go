package sim

import (
	"context"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// simDocs finds the plans' documents; there is one version of each.
type simDocs struct{ w *world }

var _ runner.Documents = simDocs{}

// Live implements runner.Documents.
func (s simDocs) Live(_ context.Context, _, name string) (int, *workflow.Document, error) {
	if d := s.w.docs[name]; d != nil {
		return 1, d, nil
	}
	return 0, nil, problem.New(problem.NotFound, "no such workflow")
}

// Document implements runner.Documents.
func (s simDocs) Document(ctx context.Context, t, name string, _ int) (*workflow.Document, error) {
	_, d, err := s.Live(ctx, t, name)
	return d, err
}
