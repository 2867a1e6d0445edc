package history

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// one is the documents and records of one execution.
type one struct{ doc *workflow.Document }

func (o one) Document(context.Context, string, string, int) (*workflow.Document, error) {
	return o.doc, nil
}

func (one) Steps(context.Context, *record.Meta) (map[string]*record.Step, error) { return nil, nil }

func (one) Input(context.Context, *record.Meta) (json.RawMessage, error) { return nil, nil }

func (one) Output(context.Context, *record.Meta) (json.RawMessage, error) {
	return json.RawMessage("7"), nil
}

func (one) Earlier(_ context.Context, m *record.Meta, _ int) (*record.Meta, error) { return m, nil }

func (one) CallbackURL(*record.Meta, string) string { return "" }

// What was computed is computed anew for a reader. An execution that has ended
// can be read where that is not possible.
func TestAnEndedExecutionIsReadWithoutWhatCannotBeComputed(t *testing.T) {
	t.Parallel()
	doc, err := workflow.Parse([]byte(`{"name": "dear", "steps": [
		{"id": "dear", "type": "transform", "output": "{{ let a = 1..30000; sum(a, sum(a, sum(a, 1))) }}"},
		{"id": "call", "type": "http", "needs": ["dear"], "request": {"url": "http://x/"}}
	]}`))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := &Reader{Docs: one{doc}, Records: one{doc}, Now: func() time.Time { return now }}
	for status, want := range map[record.Status]record.StepStatus{record.Succeeded: record.StepSucceeded, record.Failed: record.StepFailed} {
		m := &record.Meta{ID: "ex_1", Workflow: "dear", Version: 1, Run: 1, Status: status, Created: now, Ended: now.UnixMilli(), Deadline: now.Add(time.Hour).UnixMilli()}
		call := &record.Step{ID: "call", State: record.Done, Count: 1, Body: record.StepBody{Output: []byte("7")}}
		e, err := r.Ended(t.Context(), m, map[string]*record.Step{"call": call})
		if err != nil {
			t.Errorf("%s: %v", status, err)
			continue
		}
		dear, after := e.Steps[0], e.Steps[1]
		if dear.Status != want || dear.Output != nil || (dear.Error != nil) != (want == record.StepFailed) {
			t.Errorf("%s: step dear is %s with output %s and error %v", status, dear.Status, dear.Output, dear.Error)
		}
		if after.Status != record.StepSucceeded || string(after.Output) != "7" || string(e.Output) != "7" {
			t.Errorf("%s: step call is %s with output %s, the execution's is %s", status, after.Status, after.Output, e.Output)
		}
	}
}
