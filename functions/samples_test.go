package functions_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

var update = flag.Bool("update", false, "rewrite the golden files with what is answered now")

// samplesDir is the folder with one folder of sample events for each function.
const samplesDir = "../events"

// order is every sample event, in the order in which they tell one story on an
// empty table: a workflow is registered, an execution of it started, worked on,
// answered, ended, retried and cancelled. Each is a function and a case.
var order = []string{
	"sweeper/every-minute", "sweeper/by-hand", "sweeper/no-schedule",
	"status/health", "status/openapi", "status/workflow-schema",
	"admin/put-workflow-unreadable", "admin/put-workflow-with-faults", "admin/validate-workflow",
	"admin/put-workflow", "admin/list-workflows", "admin/get-workflow", "admin/get-workflow-decoded-path",
	"admin/list-versions", "admin/get-version", "admin/get-live", "admin/put-live",
	"execute/start-unknown-workflow", "execute/start-input-not-valid", "execute/start-broken-json",
	"execute/no-api-event-sqs", "execute/no-api-event-rest",
	"execute/start", "execute/start-again", "execute/start-form-body", "execute/start-key-reused",
	"worker/no-batch", "worker/other-queue", "worker/partial", "worker/start",
	"status/get", "status/get-by-stage", "status/get-unknown", "status/timeline",
	"status/list", "status/list-two-statuses", "status/list-unknown-parameter",
	"admin/pause", "admin/resume",
	"webhook/no-api-event", "webhook/no-such-address", "webhook/callback-forged", "webhook/callback-not-valid",
	"webhook/callback", "webhook/callback-again",
	"worker/signal", "worker/solo-ended", "status/get-ended", "cancel/cancel-ended",
	"admin/retry", "cancel/cancel", "cancel/cancel-unknown", "admin/delete-workflow-in-use",
	"execute/start-for-task", "execute/start-for-task-faulty",
	"admin/put-source", "admin/list-sources", "admin/get-source",
	"webhook/event", "webhook/event-again", "webhook/event-other-body", "webhook/event-cannot-start",
	"webhook/event-forged", "webhook/event-unknown-source", "admin/delete-source",
	"deadletter/mixed", "deadletter/open",
}

// What a sample cannot know is written with these, and replaced when it is
// sent: the id of the story's execution and the token of its callback.
const (
	executionHere = "ex_01K0000000000000000000000A"
	tokenHere     = "AdGhpc2lzLm5vLnRva2Vu.c2FtcGxl"
	// startedHere is the execution that the story's webhook starts.
	startedHere = "ex_01K0000000000000000000000B"
	// awaitedHere is the execution that a task of Step Functions waits for.
	awaitedHere = "ex_01K0000000000000000000000C"
)

// sampleFiles are the samples in the folder, as function/case.
func sampleFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(samplesDir + "/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.ToSlash(f[len(samplesDir)+1:]), ".json")
	}
	return files
}

func sample(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(samplesDir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOrderHasEverySample(t *testing.T) {
	t.Parallel()
	have, want := sampleFiles(t), slices.Sorted(slices.Values(order))
	for _, name := range have {
		if !slices.Contains(want, name) {
			t.Errorf("events/%s.json is not in the order of samples_test.go, so nothing runs it", name)
		}
	}
	for i, name := range want {
		if !slices.Contains(have, name) {
			t.Errorf("events/%s.json is missing", name)
		}
		if i > 0 && want[i-1] == name {
			t.Errorf("%s is twice in the order", name)
		}
	}
	goldens, err := filepath.Glob(samplesDir + "/*/*.golden")
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, g := range goldens {
		if name := strings.TrimSuffix(filepath.ToSlash(g[len(samplesDir)+1:]), ".golden"); !slices.Contains(have, name) {
			t.Errorf("events/%s.golden belongs to no sample", name)
		}
	}
}

// kindOf is an event's type, by what marks it.
func kindOf(payload []byte) (any, error) {
	var marks map[string]json.RawMessage
	if err := json.Unmarshal(payload, &marks); err != nil {
		return nil, err
	}
	switch {
	case string(marks["version"]) == `"2.0"`:
		return &events.APIGatewayV2HTTPRequest{}, nil
	case marks["Records"] != nil:
		return &events.SQSEvent{}, nil
	case marks["detail-type"] != nil:
		return &events.EventBridgeEvent{}, nil
	case marks["httpMethod"] != nil:
		return &events.APIGatewayProxyRequest{}, nil
	}
	return nil, errors.New("no known type")
}

// TestSamplesAreRealEvents: each has exactly the fields of its type.
func TestSamplesAreRealEvents(t *testing.T) {
	t.Parallel()
	for _, name := range order {
		payload := sample(t, name)
		into, err := kindOf(payload)
		if err != nil {
			if name != "sweeper/by-hand" && name != "webhook/no-api-event" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		d := json.NewDecoder(bytes.NewReader(payload))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			t.Errorf("%s is no %T: %v", name, into, err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			t.Errorf("%s has something after the event", name)
		}
	}
}

// story is what the samples of one run have in common.
type story struct{ execution, token, started, awaited string }

// send puts what this run knows into an event.
func (s *story) send(payload []byte) []byte {
	text := string(payload)
	if s.execution != "" {
		text = strings.ReplaceAll(text, executionHere, s.execution)
	}
	if s.token != "" {
		text = strings.ReplaceAll(text, tokenHere, s.token)
	}
	return []byte(text)
}

var (
	executionID = regexp.MustCompile(`ex_[0-9A-HJKMNP-TV-Z]{26}`)
	callback    = regexp.MustCompile(`/-/callbacks/([A-Za-z0-9_.-]+)`)
	moment      = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	fingerprint = regexp.MustCompile(`"[0-9a-f]{16,}"|W/"[^"]*"`)
)

// learn takes what a first answer says about this run.
func (s *story) learn(name string, answer []byte) error {
	switch name {
	case "execute/start":
		if s.execution = executionID.FindString(string(answer)); s.execution == "" {
			return fmt.Errorf("the start answered no execution: %s", answer)
		}
	case "webhook/event":
		if s.started = executionID.FindString(string(answer)); s.started == "" {
			return fmt.Errorf("the event started no execution: %s", answer)
		}
	case "execute/start-for-task":
		if s.awaited = executionID.FindString(string(answer)); s.awaited == "" {
			return fmt.Errorf("the start for a task answered no execution: %s", answer)
		}
	case "status/get":
		m := callback.FindSubmatch(answer)
		if m == nil {
			return fmt.Errorf("the execution shows no callback address: %s", answer)
		}
		s.token = string(m[1])
	}
	return nil
}

// largeBody is the size from which an answer's body is only outlined, so that
// the golden files stay about the functions and not about the API's documents.
const largeBody = 6000

// normal is an answer in the form in which it is kept: without what differs
// from run to run, its JSON body readable.
func (s *story) normal(answer []byte) ([]byte, error) {
	text := string(answer)
	if s.execution != "" {
		text = strings.ReplaceAll(text, s.execution, executionHere)
	}
	if s.started != "" {
		text = strings.ReplaceAll(text, s.started, startedHere)
	}
	if s.awaited != "" {
		text = strings.ReplaceAll(text, s.awaited, awaitedHere)
	}
	if s.token != "" {
		text = strings.ReplaceAll(text, s.token, tokenHere)
	}
	text = moment.ReplaceAllString(text, "2026-03-01T12:00:00Z")
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, fmt.Errorf("the answer is no JSON: %w: %s", err, answer)
	}
	if m, ok := v.(map[string]any); ok {
		outline(m)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// outline makes the parts of an HTTP answer comparable; others stay as they
// are.
func outline(m map[string]any) {
	if headers, ok := m["headers"].(map[string]any); ok {
		for name, v := range headers {
			switch name {
			case "x-request-id":
				headers[name] = "<the invocation's>"
			case "etag":
				headers[name] = fingerprint.ReplaceAllString(fmt.Sprint(v), "<tag>")
			}
		}
	}
	delete(m, "stackTrace")
	body, ok := m["body"].(string)
	if !ok || body == "" {
		return
	}
	if len(body) > largeBody {
		m["body"] = "<a large one>"
		return
	}
	var parsed any
	if json.Unmarshal([]byte(body), &parsed) == nil {
		m["body"] = parsed
	}
	if x, ok := parsed.(map[string]any); ok {
		if x["cost"] != nil {
			x["cost"] = "<more when slow, fewer reads when warm>"
		}
	}
}

// compare holds an answer against the sample's golden file.
func (s *story) compare(t *testing.T, name string, answer []byte) {
	t.Helper()
	got, err := s.normal(answer)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	path := filepath.Join(samplesDir, name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s has no golden file; go test ./functions -update makes it", name)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%swant\n%s", name, got, want)
	}
}
