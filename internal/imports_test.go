// Package internal_test keeps the layout and the import direction of the whole
// repository: a wrong import fails here, with the rule it breaks.
package internal_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
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
	{"internal/workflow", "internal/record", "internal/step", "internal/telemetry", "internal/standintest", "internal/wiring"},
	{"internal/engine", "internal/problem"},
	{"internal/runner", "internal/registry", "internal/history"},
	{"internal/webhook"},
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

// mounted is what a function's main puts together.
var mounted = []string{"internal/app", "internal/app/aws", "internal/invocation"}

// ports are the packages whose subfolders are drivers and test suites.
var ports = []string{"internal/table", "internal/queue", "internal/blob", "internal/secret"}

type use struct {
	prefix string
	users  []string
}

// awsCallers are the drivers, the step types that call AWS, and what puts them
// together.
var awsCallers = []string{"internal/app/aws", "internal/standintest", "internal/step", "*/dynamodb", "*/sqs", "*/s3", "*/ssm"}

// outside says who may import a module, and a standard package that the rest
// must not see. Every module has its users here: a new one is a decision.
var outside = []use{
	{"database/sql", []string{"internal/sqlitefile", "*/sqlite"}},
	{"modernc.org/", []string{"internal/sqlitefile", "*/sqlite"}},
	{"github.com/aws/aws-sdk-go-v2", awsCallers},
	{"github.com/aws/smithy-go", awsCallers},
	{"github.com/aws/aws-lambda-go", []string{"internal/invocation", "functions"}},
	{"github.com/expr-lang/", []string{"internal/expr"}},
	{"github.com/santhosh-tekuri/", []string{"internal/workflow"}},
	{"go.yaml.in/", []string{"internal/workflow", "internal/wiring"}},
	{"github.com/gofrs/flock", []string{"internal/sqlitefile"}},
	{"github.com/oklog/ulid/", []string{"internal/record", "internal/history", "internal/telemetry"}},
	{"github.com/klauspost/compress", []string{"internal/record"}},
	{"golang.org/x/sync", []string{"internal/registry", "internal/secret", "internal/app/local", "*/sqs"}},
	{"golang.org/x/text", []string{"internal/workflow"}},
	{"net/http", []string{"internal/api", "internal/step", "internal/step/sfntest", "internal/retry", "internal/app", "internal/app/local", "internal/app/aws", "internal/invocation", "internal/standintest", "infra", "functions"}},
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
	if strings.Contains(top(imported), ".") && !slices.ContainsFunc(outside, func(o use) bool { return strings.HasPrefix(imported, o.prefix) }) {
		return "imports a module without users; name them in imports_test.go"
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
	case top(pkg) == "functions":
		if !slices.Contains(mounted, imported) {
			return fmt.Sprintf("is a function: it imports only %v", mounted)
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
	faults, seen, err := examine(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
	if seen < 100 {
		t.Errorf("only %d imports were looked at: the files have moved", seen)
	}
}

// examine is what is wrong with the Go files of a repository, and how many
// imports it looked at.
func examine(repository fs.FS) (faults []string, seen int, err error) {
	for _, folder := range []string{"internal", "infra", "functions"} {
		err := fs.WalkDir(repository, folder, func(file string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil // a part that does not exist yet
			case err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.Contains(file, "testdata"):
				return err
			}
			src, err := fs.ReadFile(repository, file)
			if err != nil {
				return err
			}
			found, imports, err := examineFile(file, src)
			faults, seen = append(faults, found...), seen+imports
			return err
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return faults, seen, nil
}

func examineFile(file string, src []byte) (faults []string, imports int, err error) {
	pkg := path.Dir(file)
	if wrong := misnamed(pkg); wrong != "" {
		faults = append(faults, fmt.Sprintf("%s: package %s %s", file, pkg, wrong))
	}
	if strings.HasSuffix(file, "_test.go") {
		return faults, 0, nil // tests may use any driver and suite
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, 0, err
	}
	for _, spec := range f.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value) // parsed, so it is quoted
		if rule := broken(pkg, imported); rule != "" {
			faults = append(faults, fmt.Sprintf("%s imports %s: %s %s", file, imported, pkg, rule))
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if _, starts := n.(*ast.GoStmt); starts && slices.Contains(pure, pkg) {
			faults = append(faults, fmt.Sprintf("%s starts a goroutine: %s is pure", file, pkg))
		}
		return true
	})
	return faults, len(f.Imports), nil
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
