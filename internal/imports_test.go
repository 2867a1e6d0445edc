// Package internal_test keeps the layout and the import direction of the whole
// repository: a wrong import fails here, with the rule it breaks.
package internal_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/seed-926d1ba8/stepline/"

// layers is the order of the packages: a package imports only packages of
// layers above its own line, and of its own layer nothing. A new package gets
// its place here, by the lowest layer that has all it needs above it.
var layers = [][]string{
	{"internal/expr", "internal/retry", "internal/table", "internal/queue", "internal/sqlitefile", "internal/sign", "internal/secret"},
	{"internal/workflow", "internal/record", "internal/step", "internal/telemetry", "internal/wiring"},
	{"internal/engine", "internal/problem"},
	{"internal/runner", "internal/registry", "internal/history"},
	{"internal/api"},
	{"internal/app", "internal/invocation"},
	{"internal/app/local", "internal/app/aws"},
	{"infra", "functions"},
}

// pure packages decide and never do: they see no file, no network, no process.
var pure = []string{"internal/expr", "internal/retry", "internal/workflow", "internal/engine", "internal/record", "internal/problem", "internal/sign"}

// effects are the standard packages a pure package must not see (the lint keeps
// the clock and the global random source away). Of net/http,
// retry alone reads names of statuses and headers.
var effects = []string{"net", "os", "os/exec", "os/signal", "io/ioutil", "database/sql", "syscall", "log", "log/slog", "crypto/rand", "testing"}

// ports are the packages whose subfolders are drivers and test suites.
var ports = []string{"internal/table", "internal/queue", "internal/blob", "internal/secret"}

// outside says who may import a module or a standard package that the rest
// must not see.
var outside = []struct {
	prefix string
	users  []string
}{
	{"database/sql", []string{"internal/sqlitefile", "*/sqlite"}},
	{"modernc.org/", []string{"internal/sqlitefile", "*/sqlite"}},
	{"github.com/aws/", []string{"internal/app/aws", "internal/invocation", "internal/step", "functions", "*/dynamodb", "*/sqs", "*/s3", "*/ssm"}},
	{"github.com/expr-lang/", []string{"internal/expr"}},
	{"github.com/santhosh-tekuri/", []string{"internal/workflow"}},
	{"go.yaml.in/", []string{"internal/workflow", "internal/wiring"}},
	{"github.com/gofrs/flock", []string{"internal/sqlitefile"}},
	{"net/http", []string{"internal/api", "internal/step", "internal/retry", "internal/app", "internal/app/local", "internal/app/aws", "internal/invocation", "infra", "functions"}},
}

// broken is the rule that an import breaks, "" for none. Both are paths
// inside the module, or of another module.
func broken(pkg, imported string) string {
	if in, ours := strings.CutPrefix(imported, module); ours {
		return misplaced(pkg, in)
	}
	if slices.Contains(pure, pkg) && slices.Contains(effects, imported) {
		return "is pure: it decides and does nothing"
	}
	for _, o := range outside {
		if (imported == strings.TrimSuffix(o.prefix, "/") || strings.HasPrefix(imported, o.prefix)) && !matches(o.users, pkg) {
			return fmt.Sprintf("must not see %s; only %v may", o.prefix, o.users)
		}
	}
	return ""
}

func misplaced(pkg, imported string) string {
	port, name := path.Split(pkg)
	port = strings.TrimSuffix(port, "/")
	switch {
	case suite(imported):
		if !strings.HasSuffix(pkg, "test") && pkg != "internal/sim" {
			return "must not use a test suite outside tests"
		}
		return ""
	case slices.Contains(ports, port): // a driver or a suite
		if imported != port && (imported != "internal/sqlitefile" || name != "sqlite") {
			return "is a driver: it imports its port and sqlitefile only"
		}
		return ""
	case slices.Contains(ports, path.Dir(imported)):
		if pkg != "internal/app/local" && pkg != "internal/app/aws" && !strings.HasPrefix(pkg, "infra/") {
			return "must not know a driver; package app/local chooses one"
		}
		return ""
	case top(pkg) == "infra" && top(imported) == "infra":
		if !strings.HasPrefix(imported, pkg+"/") {
			return "is a program of its own: it imports only what lies in its folder"
		}
		return ""
	}
	from, to := layer(pkg), layer(imported)
	switch {
	case pkg == "internal/sim": // uses everything, and nothing uses it
		return ""
	case to < 0:
		return "imports a package without a place in the layers"
	case to >= from:
		return "imports upwards or sideways: " + imported + " is not below it"
	}
	return ""
}

func suite(pkg string) bool { return strings.HasSuffix(pkg, "test") || pkg == "internal/sim" }

func top(pkg string) string {
	first, _, _ := strings.Cut(pkg, "/")
	return first
}

func layer(pkg string) int {
	for i, names := range layers {
		if slices.Contains(names, pkg) || i == len(layers)-1 && slices.Contains(names, top(pkg)) {
			return i
		}
	}
	return -1
}

func matches(users []string, pkg string) bool {
	return slices.ContainsFunc(users, func(u string) bool {
		if last, wild := strings.CutPrefix(u, "*/"); wild {
			return path.Base(pkg) == last && slices.Contains(ports, path.Dir(pkg))
		}
		return pkg == u || (u == "infra" || u == "functions") && top(pkg) == u
	})
}

// misnamed is what is wrong with a package's name or place, "" for nothing.
func misnamed(pkg string) string {
	switch path.Base(pkg) {
	case "util", "utils", "common", "helper", "helpers", "types", "misc", "base", "shared":
		return "says nothing about what is in it"
	}
	if top(pkg) == "internal" && layer(pkg) < 0 && !slices.Contains(ports, path.Dir(pkg)) && !suite(pkg) && pkg != "internal" {
		return "has no place in the layers; give it one in imports_test.go"
	}
	return ""
}

func TestImports(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, file := range goFiles(t, "internal", "infra", "functions") {
		pkg := path.Dir(file)
		if wrong := misnamed(pkg); wrong != "" {
			t.Errorf("%s: package %s %s", file, pkg, wrong)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue // tests may use any driver and suite
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value) // parsed, so it is quoted
			seen++
			if rule := broken(pkg, imported); rule != "" {
				t.Errorf("%s imports %s: %s %s", file, imported, pkg, rule)
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d imports were looked at: the files have moved", seen)
	}
}

func goFiles(t *testing.T, folders ...string) []string {
	t.Helper()
	var files []string
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join("..", folder), func(p string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil // functions comes with the deployment
			}
			if err == nil && !d.IsDir() && strings.HasSuffix(p, ".go") && !strings.Contains(p, "testdata") {
				files = append(files, filepath.ToSlash(strings.TrimPrefix(p, ".."+string(filepath.Separator))))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestRulesCanFail shows each rule a wrong import.
func TestRulesCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pkg, imported, want string // "" is right
	}{
		{"internal/engine", "net/http", "must not see net/http"},
		{"internal/engine", "os", "is pure"},
		{"internal/workflow", "database/sql", "is pure"},
		{"internal/engine", "time", ""},
		{"internal/engine", module + "internal/runner", "upwards or sideways"},
		{"internal/engine", module + "internal/workflow", ""},
		{"internal/workflow", module + "internal/engine", "upwards or sideways"},
		{"internal/runner", module + "internal/api", "upwards or sideways"},
		{"internal/runner", module + "internal/registry", "upwards or sideways"},
		{"internal/api", module + "internal/runner", ""},
		{"internal/api", module + "internal/app", "upwards or sideways"},
		{"internal/runner", module + "internal/table/sqlite", "must not know a driver"},
		{"internal/app", module + "internal/table/sqlite", "must not know a driver"},
		{"internal/app/local", module + "internal/table/sqlite", ""},
		{"internal/table/sqlite", module + "internal/queue/sqlite", "imports its port and sqlitefile only"},
		{"internal/table/sqlite", module + "internal/record", "imports its port and sqlitefile only"},
		{"internal/table/sqlite", module + "internal/sqlitefile", ""},
		{"internal/table/dynamodb", module + "internal/sqlitefile", "imports its port and sqlitefile only"},
		{"internal/table/sqlite", "modernc.org/sqlite", ""},
		{"internal/history", "modernc.org/sqlite", "must not see modernc.org/"},
		{"internal/history", "database/sql", "must not see database/sql"},
		{"internal/runner", "github.com/aws/aws-sdk-go-v2/service/sqs", "must not see github.com/aws/"},
		{"internal/queue/sqs", "github.com/aws/aws-sdk-go-v2/service/sqs", ""},
		{"internal/secret/ssm", "github.com/aws/aws-sdk-go-v2/service/ssm", ""},
		{"internal/secret", "github.com/aws/aws-sdk-go-v2/service/ssm", "must not see github.com/aws/"},
		{"internal/sign", "crypto/rand", "is pure"},
		{"internal/runner", module + "internal/table/tabletest", "must not use a test suite"},
		{"internal/table/sqlite", module + "internal/table/tabletest", "must not use a test suite"},
		{"infra/local", module + "internal/app/local", ""},
		{"infra/local", module + "infra/local/sample", ""},
		{"infra/bench", module + "infra/local", "a program of its own"},
		{"internal/app/local", module + "infra/local", "upwards or sideways"},
		{"internal/api", module + "internal/elsewhere", "without a place"},
		{"internal/runner", "net/http", "must not see net/http"},
	} {
		got := broken(c.pkg, c.imported)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s importing %s: got %q, want %q", c.pkg, c.imported, got, c.want)
		}
	}
	for pkg, ok := range map[string]bool{
		"internal/util": false, "internal/table/common": false, "internal/somewhere": false,
		"internal/table/sqlite": true, "internal/engine": true, "infra/local/sample": true, "internal/table/tabletest": true,
	} {
		if got := misnamed(pkg); (got == "") != ok {
			t.Errorf("package %s: got %q, want right: %v", pkg, got, ok)
		}
	}
}

// TestTopLevel keeps the first thing a newcomer sees short.
func TestTopLevel(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "git", "-C", "..", "ls-files").Output()
	if err != nil {
		t.Logf("no git here, so the top level is not looked at: %v", err)
		return
	}
	for file := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		if name := top(file); unwanted(name) {
			t.Errorf("%s: %s does not belong at the top level", file, name)
		}
	}
	if !unwanted("scripts") || unwanted("Makefile") {
		t.Error("the rule itself is wrong")
	}
}

func unwanted(name string) bool {
	wanted := []string{"functions", "internal", "infra", "events", "template.yaml", "go.mod", "go.sum", "Makefile", "README.md"}
	return !slices.Contains(wanted, name) && !strings.HasPrefix(name, ".")
}
