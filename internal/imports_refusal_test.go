package internal_test

import (
	"strings"
	"testing"
	"testing/fstest"
)

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
		{"internal/history", "modernc.org/sqlite/lib", "must not see modernc.org/"},
		{"internal/app/local", "database/sql", "must not see database/sql"},
		{"internal/queue/sqs", "database/sql", "must not see database/sql"},
		{"internal/runner", "github.com/aws/aws-sdk-go-v2/service/sqs", "must not see github.com/aws/aws-sdk-go-v2"},
		{"internal/api", "github.com/aws/smithy-go", "must not see github.com/aws/smithy-go"},
		{"internal/app/local", "github.com/aws/aws-sdk-go-v2/aws", "must not see github.com/aws/aws-sdk-go-v2"},
		{"functions/worker", "github.com/aws/aws-sdk-go-v2/service/sqs", "must not see github.com/aws/aws-sdk-go-v2"},
		{"internal/sqs", "github.com/aws/aws-sdk-go-v2/service/sqs", "must not see github.com/aws/aws-sdk-go-v2"},
		{"internal/queue/sqs", "github.com/aws/aws-sdk-go-v2/service/sqs", ""},
		{"internal/step", "github.com/aws/aws-sdk-go-v2/service/sfn", ""},
		{"internal/app/aws", "github.com/aws/aws-sdk-go-v2/config", ""},
		{"internal/runner", "github.com/aws/aws-lambda-go/events", "must not see github.com/aws/aws-lambda-go"},
		{"functions/worker", "github.com/aws/aws-lambda-go/lambda", ""},
		{"functions/worker", module + "internal/app/aws", ""},
		{"functions/worker", module + "internal/runner", "is a function: it imports only"},
		{"functions/worker", module + "functions/admin", "is a function: it imports only"},
		{"internal/retry", "github.com/stretchr/testify/assert", "a module without users"},
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

// TestAWrongTreeIsRefused lets the checker loose on a made-up repository in
// which everything is wrong but one file.
func TestAWrongTreeIsRefused(t *testing.T) {
	t.Parallel()
	source := func(pkg string, imports ...string) *fstest.MapFile {
		src := "package " + pkg + "\n"
		for _, i := range imports {
			src += "import _ \"" + i + "\"\n"
		}
		return &fstest.MapFile{Data: []byte(src)}
	}
	goroutine := &fstest.MapFile{Data: []byte("package engine\nfunc f() { defer func() { go f() }() }\n")}
	tree := fstest.MapFS{
		"internal/engine/clock.go":         source("engine", "os"),
		"internal/engine/up.go":            source("engine", module+"internal/runner"),
		"internal/engine/goroutine.go":     goroutine,
		"internal/engine/right.go":         source("engine", "time", module+"internal/workflow"),
		"internal/engine/driver_test.go":   source("engine", "os", module+"internal/table/sqlite"),
		"internal/engine/testdata/bad.go":  source("engine", "os"),
		"internal/history/sql.go":          source("history", "database/sql"),
		"internal/runner/sqs.go":           source("runner", "github.com/aws/aws-sdk-go-v2/service/sqs"),
		"internal/api/driver.go":           source("api", module+"internal/table/dynamodb"),
		"internal/queue/sqs/other.go":      source("sqs", module+"internal/table"),
		"internal/table/util/x.go":         source("util"),
		"internal/newcomer/x.go":           source("newcomer"),
		"functions/execute/main.go":        source("main", module+"internal/runner"),
		"infra/local/main.go":              source("main", module+"infra/bench"),
		"internal/workflow/fresh_taste.go": source("workflow", "example.com/yaml"),
	}
	faults, seen, err := examine(tree)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(faults, "\n")
	for file := range tree {
		right := strings.HasSuffix(file, "right.go") || strings.HasSuffix(file, "_test.go") || strings.Contains(file, "testdata")
		if strings.Contains(all, file) == right {
			t.Errorf("%s: want right: %v, but the checker says\n%s", file, right, all)
		}
	}
	if len(faults) != 12 || seen != 11 {
		t.Errorf("%d faults in %d imports, 12 in 11 wanted:\n%s", len(faults), seen, all)
	}
}
