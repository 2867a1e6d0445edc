package functions_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// current is this repository.
func current(t *testing.T) repository {
	t.Helper()
	template, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := repository{template: template, samples: map[string][]byte{}, variables: variablesRead(t)}
	mains, err := filepath.Glob("*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mains {
		r.folders = append(r.folders, filepath.Dir(m))
	}
	for _, name := range sampleFiles(t) {
		r.samples[name] = sample(t, name)
	}
	return r
}

// permissions lists, function by function, what it may do and who may call it:
// the template's own statements, and what SAM adds for each event.
func (t tree) permissions() []byte {
	var b bytes.Buffer
	for _, f := range t.ofType(functionType) {
		fmt.Fprintf(&b, "%s (functions/%s)\n", f, text(t.props(f, "Handler")))
		for _, s := range t.statements(id(text(t.props(f, "Role")))) {
			fmt.Fprintf(&b, "  may %s\n", strings.Join(s.Actions, ", "))
			for _, r := range s.Resources {
				fmt.Fprintf(&b, "      on %s\n", r)
			}
		}
		for _, p := range t.callers(f) {
			fmt.Fprintf(&b, "  %s\n", p)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func (t tree) callers(f string) []string {
	var out []string
	if auth := text(t.props(f, "FunctionUrlConfig", "AuthType")); auth != "" {
		out = append(out, "called by anybody: lambda:InvokeFunctionUrl, if FunctionUrlAuthType is "+auth,
			"called by anybody: lambda:InvokeFunction, if InvokedViaFunctionUrl is true")
	}
	for key, e := range mapping(t.props(f, "Events")) {
		switch text(e, "Type") {
		case "HttpApi":
			auth := text(t.props("Api", "Auth", "DefaultAuthorizer"))
			out = append(out, fmt.Sprintf("called by apigateway.amazonaws.com: %s %s, for callers with %s", text(e, "Properties", "Method"), text(e, "Properties", "Path"), auth))
		case "SQS":
			out = append(out, "fed by "+text(e, "Properties", "Queue"))
		case "Schedule":
			out = append(out, fmt.Sprintf("called by events.amazonaws.com: %s, %s", key, text(e, "Properties", "Schedule")))
		}
	}
	slices.Sort(out)
	return out
}

// TestPermissions shows every change of what a function may do, and of who may
// call it, as a change of a file.
func TestPermissions(t *testing.T) {
	t.Parallel()
	const golden = "testdata/permissions.golden"
	tr, err := parseTemplate(current(t).template)
	if err != nil {
		t.Fatal(err)
	}
	got := tr.permissions()
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("permissions changed (%v); go test ./functions -run Permissions -update takes them over\ngot\n%s\nwant\n%s", err, got, want)
	}
}
