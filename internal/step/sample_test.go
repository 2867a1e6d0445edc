package step_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

func sampleFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../infra/statemachine/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The samples under infra/statemachine: a workflow that can be registered, and
// state machines that the template deploys.
func TestSampleStateMachines(t *testing.T) {
	t.Parallel()
	d, err := workflow.Parse(sampleFile(t, "order.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if s := d.Step("pay"); s == nil || s.Type != workflow.StepFunctions || s.Express {
		t.Errorf("the step is %+v", s)
	}
	text := string(sampleFile(t, "template.yaml"))
	var tpl map[string]any
	if err := yaml.Unmarshal([]byte(regexp.MustCompile(`!\w+ `).ReplaceAllString(text, "")), &tpl); err != nil {
		t.Errorf("the template is not readable: %v", err)
	}
	for _, name := range []string{"payment.asl.json", "shop.asl.json"} {
		if !strings.Contains(text, "DefinitionUri: "+name) {
			t.Errorf("the template does not deploy %s", name)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leadsOn(t, sampleFile(t, name))
		})
	}
}

// leadsOn: every state but the last ones leads to another, and each is reached.
func leadsOn(t *testing.T, definition []byte) {
	t.Helper()
	type state struct {
		Type, Next, Default string
		End                 bool
		Choices, Catch      []struct{ Next string }
	}
	var m struct {
		StartAt string
		States  map[string]state
	}
	if err := json.Unmarshal(definition, &m); err != nil {
		t.Fatal(err)
	}
	led := map[string]bool{m.StartAt: true}
	for name, s := range m.States {
		last := s.End || s.Type == "Fail" || s.Type == "Succeed"
		next := []string{s.Next, s.Default}
		for _, c := range s.Choices {
			next = append(next, c.Next)
		}
		for _, c := range s.Catch {
			led[c.Next] = true
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
}
