package main

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/app/local"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)\n```$")

// TestReadmesCommandsWork runs the page's shell blocks as they stand, but for
// the two addresses and the data folder, against the program.
func TestReadmesCommandsWork(t *testing.T) {
	t.Parallel()
	blocks := shellBlock.FindAllStringSubmatch(readme(t), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md has no shell block any more")
	}
	for _, tool := range []string{"bash", "curl", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "README's commands need "+tool)
		}
	}
	data := t.TempDir()
	p := start(t, "-no-demo", "-data", data)
	here := strings.NewReplacer(".stepline/", data+"/", "http://127.0.0.1:3000", strings.TrimSuffix(p.api, "/v1"), "http://127.0.0.1:3001", p.webhooks)
	var all strings.Builder
	for _, b := range blocks {
		out, err := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", here.Replace(b[1])).CombinedOutput()
		if err != nil {
			t.Fatalf("%s\n%s\n%v", b[1], out, err)
		}
		all.Write(out)
	}
	for _, want := range []string{`"version":1`, `"status":"succeeded"`, `"greeting":"Hello, world!"`, `"health":"ok"`, `{"event":"msg_1","executions":["ex_`} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %s in\n%s", want, all.String())
		}
	}
	p.end()
}

// missing ends a test whose means are not on this machine. `make test` passes
// without them and says so; under CI=true nothing is left out.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func readme(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestReadmesDocumentsAreValid: what the page shows can be registered.
func TestReadmesDocumentsAreValid(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)\n```$").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md shows no document any more")
	}
	for _, b := range blocks {
		if _, err := workflow.Parse([]byte(b[1])); err != nil {
			t.Errorf("%s\n%v", b[1], err)
		}
	}
}

// TestReadmeNamesEveryField: a field or type that the schema has and the page
// has not is news to its readers.
func TestReadmeNamesEveryField(t *testing.T) {
	t.Parallel()
	var schema any
	if err := json.Unmarshal(workflow.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(readme(t), "## Workflow documents")
	seen := 0
	properties([]any{schema, workflow.SourceSchema()}, func(name string) {
		seen++
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(page) {
			t.Errorf("README.md does not name the field %s", name)
		}
	})
	if seen < 20 {
		t.Errorf("only %d fields were found in the schema", seen)
	}
}

// properties calls f for the name of each property in a JSON Schema.
func properties(v any, f func(string)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			properties(e, f)
		}
	case map[string]any:
		for k, e := range v {
			if named, ok := e.(map[string]any); ok && k == "properties" {
				for name := range named {
					f(name)
				}
			}
			properties(e, f)
		}
	}
}

// TestReadmeNamesEveryCall compares the table of calls with the route table, by
// the last words of each path.
func TestReadmeNamesEveryCall(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readme(t), "## HTTP API")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, r := range api.Routes() {
		last := r.Pattern[strings.LastIndex(r.Pattern, "/"):]
		if !strings.Contains(section, r.Method+" ") || !strings.Contains(section, last) {
			t.Errorf("README.md does not name %s %s", r.Method, r.Pattern)
		}
	}
}

// TestReadmeNamesEveryFolder: a newcomer finds each package in the table.
func TestReadmeNamesEveryFolder(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(readme(t), "| folder |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, above := range []string{"internal", "infra"} {
		entries, err := os.ReadDir("../../" + above)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() && !regexp.MustCompile("`("+above+"/)?"+e.Name()+"`").MatchString(table) {
				t.Errorf("README.md's table of folders lacks %s/%s", above, e.Name())
			}
		}
	}
}

// TestReadmeNamesEveryTarget compares the page with what `make help` shows.
func TestReadmeNamesEveryTarget(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := regexp.MustCompile(`(?m)^([a-z-]+):.*## `).FindAllStringSubmatch(string(makefile), -1)
	if len(targets) < 8 {
		t.Fatalf("only %d targets were found", len(targets))
	}
	page := readme(t)
	for _, m := range targets {
		if !regexp.MustCompile(`\bmake ` + m[1] + `\b`).MatchString(page) {
			t.Errorf("README.md does not name make %s", m[1])
		}
	}
}

// TestReadmeNamesEveryFlag compares the page with what -help shows.
func TestReadmeNamesEveryFlag(t *testing.T) {
	t.Parallel()
	var help strings.Builder
	_, err := local.FromFlags([]string{"-help"}, func(string) string { return "" }, &help)
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	page := readme(t)
	names := regexp.MustCompile(`(?m)^  (-[a-z-]+)|(STEPLINE_[A-Z_]+)`).FindAllStringSubmatch(help.String(), -1)
	if len(names) < 8 {
		t.Fatalf("only %d flags were found in\n%s", len(names), help.String())
	}
	for _, m := range names {
		if name := m[1] + m[2]; !strings.Contains(page, "| `"+name+"` |") {
			t.Errorf("README.md's table of flags lacks %s", name)
		}
	}
}
