//go:build sam

// The tests with the tag sam run the functions in SAM's containers, against the
// stand-ins for DynamoDB and SQS; `make test-sam` brings both.

package functions_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSAM builds what is deployed, invokes every function with every sample,
// and plays whole flows over the local API and the local Lambda service.
func TestSAM(t *testing.T) {
	env := newEnvironment(t)
	t.Run("lint", env.lint)
	t.Run("transformed", env.transformed)
	env.build(t)
	t.Run("samples", env.samples)
	t.Run("flows", env.flows)
}

// environment is what the run stands on.
type environment struct {
	root  string // of the repository
	arch  string
	table string // DynamoDB's address, as this process reaches it
	queue string // SQS's
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	e := &environment{arch: os.Getenv("ARCH"), table: os.Getenv("STEPLINE_TEST_DYNAMODB"), queue: os.Getenv("STEPLINE_TEST_SQS")}
	if e.arch == "" || e.table == "" || e.queue == "" {
		t.Fatal("ARCH, STEPLINE_TEST_DYNAMODB and STEPLINE_TEST_SQS say what the tests run on; make test-sam sets them")
	}
	var err error
	if e.root, err = filepath.Abs(".."); err != nil {
		t.Fatal(err)
	}
	return e
}

// sam is a call of SAM CLI in the repository's root.
func (e *environment) sam(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sam", args...)
	c.Dir = e.root
	// It asks STS who it is before it starts anything. Here nobody answers, and
	// at once.
	c.Env = append(os.Environ(), "AWS_ENDPOINT_URL_STS=http://127.0.0.1:9", "AWS_MAX_ATTEMPTS=1")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) } // it stops its containers
	c.WaitDelay = 30 * time.Second
	return c
}

func (e *environment) build(t *testing.T) {
	t.Helper()
	began := time.Now()
	out, err := e.sam(t, "build", "--parallel", "--cached", "--parameter-overrides", "Architecture="+e.arch).CombinedOutput()
	if err != nil {
		t.Fatalf("sam build: %v\n%s", err, out)
	}
	t.Logf("sam build: %s", time.Since(began).Round(time.Second))
}

// local are the options of every `sam local`.
func (e *environment) local(template string) []string {
	return []string{"-t", template, "--parameter-overrides", "Architecture=" + e.arch, "--add-host", "host.docker.internal:host-gateway"}
}

// samples invokes every function with every sample, in the order of their
// story, and holds the answers against the files that the in-process run holds
// its own against.
func (e *environment) samples(t *testing.T) {
	stand := e.stand(t, "samples", sampleQueues)
	var s story
	file := filepath.Join(t.TempDir(), "event.json")
	for _, name := range order {
		if err := os.WriteFile(file, s.send(sample(t, name)), 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		function := logicalID(name)
		c := e.sam(t, append([]string{"local", "invoke", function, "-e", file}, e.local(stand.template)...)...)
		var out, log bytes.Buffer
		c.Stdout, c.Stderr = &out, &log
		err := c.Run()
		answer := lastLine(out.Bytes())
		if !json.Valid(answer) {
			t.Fatalf("%s: %v, answer %q\n%s", name, err, out.Bytes(), log.Bytes())
		}
		if err := s.learn(name, answer); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, log.Bytes())
		}
		s.compare(t, name, answer)
		t.Logf("%-20s × %-40s %s", function, "events/"+name+".json", time.Since(began).Round(100*time.Millisecond))
		if t.Failed() {
			t.Fatalf("its log:\n%s", log.Bytes())
		}
	}
}

// logicalID is the function that a sample is for.
func logicalID(name string) string {
	function, c := path.Split(name)
	if strings.HasPrefix(c, "solo") {
		return "SoloFunction"
	}
	function = strings.TrimSuffix(function, "/")
	return strings.ToUpper(function[:1]) + function[1:] + "Function"
}

func lastLine(out []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return bytes.TrimSpace(lines[len(lines)-1])
}

// containerAddress is an address of this machine as a container reaches it.
func containerAddress(url string) string {
	return strings.Replace(url, "127.0.0.1", "host.docker.internal", 1)
}

// dump is an answer for a failure's message.
func dump(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
