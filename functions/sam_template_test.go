//go:build sam

package functions_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// lint asks SAM and cfn-lint whether the template can be deployed.
func (e *environment) lint(t *testing.T) {
	for _, c := range [][]string{{"sam", "validate", "--lint"}, {"cfn-lint", "template.yaml"}} {
		cmd := exec.CommandContext(t.Context(), c[0], c[1:]...)
		cmd.Dir = e.root
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", c, err, out)
			continue
		}
		t.Logf("%s: clean %s", strings.Join(c, " "), strings.TrimSpace(string(out)))
	}
}

// transformed holds what SAM makes of the template against what the golden file
// of permissions says: no role and no right is added, and every caller is named.
func (e *environment) transformed(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "python3", "infra/sam/transform.py", "template.yaml")
	cmd.Dir = e.root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("transform: %v", err)
	}
	var made tree
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatal(err)
	}
	declared, err := parseTemplate(current(t).template)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := made.ofType(roleType), declared.ofType(roleType); !slices.Equal(got, want) {
		t.Errorf("SAM made the roles %v, declared are %v", got, want)
	}
	for _, role := range made.ofType(roleType) {
		if made.props(role, "ManagedPolicyArns") != nil {
			t.Errorf("%s has managed policies", role)
		}
	}
	var got, want []string
	for _, p := range made.ofType("AWS::Lambda::Permission") {
		got = append(got, fmt.Sprintf("%s: %s may %s%s", text(made.props(p, "FunctionName", "Ref")), text(made.props(p, "Principal")), text(made.props(p, "Action")), restriction(made.props(p))))
	}
	for _, f := range declared.ofType(functionType) {
		for _, c := range declared.callers(f) {
			want = append(want, asPermission(f, c)...)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("SAM lets call\n%s\nthe golden file says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, m := range made.ofType("AWS::Lambda::EventSourceMapping") {
		if got := list(made.props(m, "FunctionResponseTypes")); !slices.Equal(got, []string{"ReportBatchItemFailures"}) {
			t.Errorf("%s answers with %v", m, got)
		}
	}
}

// restriction is the condition of a permission.
func restriction(props any) string {
	if auth := text(props, "FunctionUrlAuthType"); auth != "" {
		return ", if FunctionUrlAuthType is " + auth
	}
	if at(props, "InvokedViaFunctionUrl") == true {
		return ", if InvokedViaFunctionUrl is true"
	}
	return ""
}

// asPermission is a caller of the golden file as SAM writes it.
func asPermission(function, caller string) []string {
	who, what, _ := strings.Cut(strings.TrimPrefix(caller, "called by "), ": ")
	switch {
	case who == "anybody":
		return []string{function + ": * may " + what}
	case strings.HasSuffix(who, ".amazonaws.com"):
		return []string{function + ": " + who + " may lambda:InvokeFunction"}
	}
	return nil // fed from a queue: the function's own role says so
}
