package workflow

import (
	"testing"
	"time"
)

func TestStateMachines(t *testing.T) {
	t.Parallel()
	const machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:orders"
	d, err := Parse([]byte(`{"name": "w", "steps": [
		{"id": "standard", "type": "stepfunctions", "stateMachine": "` + machine + `", "input": {"n": "{{ input.n }}"}, "timeout": "1h"},
		{"id": "alias", "type": "stepfunctions", "stateMachine": "` + machine + `:live"},
		{"id": "china", "type": "stepfunctions", "stateMachine": "arn:aws-cn:states:cn-north-1:123456789012:stateMachine:orders"},
		{"id": "express", "type": "stepfunctions", "stateMachine": "{{ input.machine }}", "express": true},
		{"id": "careless", "type": "stepfunctions", "stateMachine": "` + machine + `", "express": true, "idempotent": true, "attemptTimeout": "1m"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]struct {
		express, idempotent bool
		attempt             time.Duration
	}{
		"standard": {false, true, DefaultAttemptTimeout}, "alias": {false, true, DefaultAttemptTimeout}, "china": {false, true, DefaultAttemptTimeout},
		"express": {true, false, MaxExpress}, "careless": {true, true, time.Minute},
	} {
		if s := d.Step(id); s.Express != want.express || s.Idempotent != want.idempotent || s.AttemptTimeout != want.attempt {
			t.Errorf("%s: got %+v, want %+v", id, s, want)
		}
	}
	v, err := d.Step("standard").Request.Eval(map[string]any{"input": map[string]any{"n": 7}})
	m, _ := v.(map[string]any)
	if in, _ := m["input"].(map[string]any); err != nil || m["stateMachine"] != machine || m["express"] != false || in["n"] != 7 {
		t.Errorf("got %v, %v", v, err)
	}
	if !schemaAccepts(t, string(d.Source())) {
		t.Error("the schema refuses it")
	}
}
