package step_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// The sample under infra/statemachine: a workflow that can be registered, and a
// state machine whose states lead to each other.
func TestSampleStateMachine(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		b, err := os.ReadFile("../../infra/statemachine/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	d, err := workflow.Parse(read("order.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if s := d.Step("pay"); s == nil || s.Type != workflow.StepFunctions || s.Express {
		t.Errorf("the step is %+v", s)
	}
	type state struct {
		Type, Next, Default string
		End                 bool
		Choices             []struct{ Next string }
	}
	var m struct {
		StartAt string
		States  map[string]state
	}
	if err := json.Unmarshal(read("payment.asl.json"), &m); err != nil {
		t.Fatal(err)
	}
	led := map[string]bool{m.StartAt: true}
	for name, s := range m.States {
		last := s.End || s.Type == "Fail" || s.Type == "Succeed"
		next := []string{s.Next, s.Default}
		for _, c := range s.Choices {
			next = append(next, c.Next)
		}
		if on := strings.Join(next, "") != ""; on == last {
			t.Errorf("%s neither ends nor goes on, or does both", name)
		}
		for _, n := range next {
			led[n] = true
		}
	}
	delete(led, "")
	for n := range led {
		if _, there := m.States[n]; !there {
			t.Errorf("there is no state %s", n)
		}
	}
	if len(led) != len(m.States) {
		t.Errorf("%d of %d states are reached", len(led), len(m.States))
	}
	var tpl map[string]any
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(string(read("template.yaml")), "!Ref ", "")), &tpl); err != nil || !strings.Contains(string(read("template.yaml")), "DefinitionUri: payment.asl.json") {
		t.Errorf("the template is not readable, or of another machine: %v", err)
	}
}
