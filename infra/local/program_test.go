package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// asProgram makes the test binary behave as the program itself, so that tests
// can send it signals without building it.
const asProgram = "STEPLINE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const template = "../../template.yaml"

// program is the program under test, started as a process of its own.
type program struct {
	t        *testing.T
	cmd      *exec.Cmd
	api      string // http://127.0.0.1:port/v1
	webhooks string

	mu    sync.Mutex
	seen  strings.Builder
	lines chan string
	errs  bytes.Buffer
}

// start starts the program and waits until it says where it listens.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, lines: make(chan string, 1000)}
	args = append([]string{"-addr", "127.0.0.1:0", "-webhook-addr", "127.0.0.1:0", "-template", template}, args...)
	p.cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(out)
	p.api = p.await(`^ *API +(\S+)`)
	p.webhooks = p.await(`^ *webhooks +(\S+)`)
	return p
}

func (p *program) read(out io.Reader) {
	defer close(p.lines)
	for s := bufio.NewScanner(out); s.Scan(); {
		p.mu.Lock()
		p.seen.WriteString(s.Text() + "\n")
		p.mu.Unlock()
		p.lines <- s.Text()
	}
}

// await waits for a line and returns the pattern's group, or the whole match.
func (p *program) await(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the program ended without a line like %s\n%s\n%s", pattern, p.output(), p.errs.String())
			}
			if m := re.FindStringSubmatch(line); m != nil {
				return m[len(m)-1]
			}
		case <-late:
			p.t.Fatalf("no line like %s\n%s", pattern, p.output())
		}
	}
}

func (p *program) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// stop sends a signal and returns the exit status.
func (p *program) stop(s os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	for range p.lines { // to the end, so that Wait closes nothing that is read
	}
	_ = p.cmd.Wait() // the status says it
	return p.cmd.ProcessState.ExitCode()
}

// end ends the program as Ctrl-C does, and expects status 0.
func (p *program) end() {
	p.t.Helper()
	if code := p.stop(os.Interrupt); code != 0 {
		p.t.Errorf("status %d after Ctrl-C, want 0\n%s", code, p.errs.String())
	}
}

// call makes a request and decodes its JSON answer; v may be nil.
func (p *program) call(method, path, body string, v any) int {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.api+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if v != nil {
		if err := json.Unmarshal(b, v); err != nil {
			p.t.Fatalf("%s %s: %d %s: %v", method, path, res.StatusCode, b, err)
		}
	}
	return res.StatusCode
}

// failing runs the program in this process and returns its status and what it
// wrote to stderr.
func failing(t *testing.T, args ...string) (status int, message string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var errs bytes.Buffer
	status = run(ctx, args, func(string) string { return "" }, io.Discard, &errs)
	return status, errs.String()
}
