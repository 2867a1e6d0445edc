package functions_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// needs are the permissions of each of the SDK's operations that the code
// calls; no stand-in checks them. A transaction needs those of its writes.
var needs = map[string][]string{
	"BatchGetItem": {"dynamodb:BatchGetItem"}, "GetItem": {"dynamodb:GetItem"}, "Query": {"dynamodb:Query"},
	"PutItem": {"dynamodb:PutItem"}, "UpdateItem": {"dynamodb:UpdateItem"}, "DeleteItem": {"dynamodb:DeleteItem"},
	"TransactWriteItems": {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}, "DescribeTable": {"dynamodb:DescribeTable"},
	"SendMessageBatch": {"sqs:SendMessage"}, "ReceiveMessage": {"sqs:ReceiveMessage"}, "DeleteMessageBatch": {"sqs:DeleteMessage"},
	"ChangeMessageVisibility": {"sqs:ChangeMessageVisibility"}, "GetQueueAttributes": {"sqs:GetQueueAttributes"},
	"GetParameter":   {"ssm:GetParameter"},
	"StartExecution": {"states:StartExecution"}, "StartSyncExecution": {"states:StartSyncExecution"},
	"DescribeExecution": {"states:DescribeExecution"}, "StopExecution": {"states:StopExecution"},
	"SendTaskSuccess": {"states:SendTaskSuccess"}, "SendTaskFailure": {"states:SendTaskFailure"}, "SendTaskHeartbeat": {"states:SendTaskHeartbeat"},
}

// makers are the functions that make an operation, where these are others than
// those of its package.
var makers = map[string][]string{
	"SendTaskSuccess": {"worker", "sweeper"}, "SendTaskFailure": {"worker", "sweeper", "deadletter"}, "SendTaskHeartbeat": {"sweeper"},
	"StopExecution": {"worker", "deadletter"},
}

// operations are the SDK's operations that a package calls: those of a field
// called client or api.
func operations(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no code in %s: %v", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if op, ok := call.Fun.(*ast.SelectorExpr); ok {
					if of, ok := op.X.(*ast.SelectorExpr); ok && (of.Sel.Name == "client" || of.Sel.Name == "api") {
						names = append(names, op.Sel.Name)
					}
				}
			}
			return true
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestOperationsAreGranted: every operation that the code calls is granted to
// the functions that make it, on the other side nothing is granted that no code
// calls. Which writes a function makes is what TestSamples looks at.
func TestOperationsAreGranted(t *testing.T) {
	t.Parallel()
	tr, err := parseTemplate(current(t).template)
	if err != nil {
		t.Fatal(err)
	}
	granted := map[string][]string{} // action → functions
	for _, f := range tr.ofType(functionType) {
		for _, s := range tr.statements(id(text(tr.props(f, "Role")))) {
			for _, a := range s.Actions {
				granted[a] = append(granted[a], text(tr.props(f, "Handler")))
			}
		}
	}
	used := []string{"logs:CreateLogStream", "logs:PutLogEvents"} // by Lambda
	for dir, functions := range map[string][]string{
		"../internal/table/dynamodb": {"admin"}, // makes every call
		"../internal/queue/sqs":      {"worker"},
		"../internal/secret/ssm":     {"webhook", "worker"},
		"../internal/step":           {"worker"},
	} {
		ops := operations(t, dir)
		if len(ops) == 0 {
			t.Errorf("%s calls nothing", dir)
		}
		for _, op := range ops {
			if needs[op] == nil {
				t.Errorf("%s calls %s: say in this test what it needs", dir, op)
			}
			functions := functions
			if others := makers[op]; others != nil {
				functions = others
			}
			for _, action := range needs[op] {
				used = append(used, action)
				for _, f := range functions {
					if !slices.Contains(granted[action], f) {
						t.Errorf("%s calls %s, which needs %s; functions/%s may not", dir, op, action, f)
					}
				}
			}
		}
	}
	for action, functions := range granted {
		if !slices.Contains(used, action) {
			t.Errorf("functions %v may %s, which no code does", functions, action)
		}
	}
	for _, f := range current(t).folders {
		for _, action := range []string{"dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:BatchGetItem"} { // each looks at the table when it starts, and reads
			if !slices.Contains(granted[action], f) {
				t.Errorf("functions/%s may not %s", f, action)
			}
		}
	}
}
