package proof

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program, built once without the race detector: what is
// measured and killed here is what users run.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stepline-proof")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "stepline")
	if err := os.Chmod(dir, 0o755); err != nil { // another user runs it too
		return "", err
	}
	build := exec.Command("go", "build", "-o", path, "./infra/local")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path)) // a temporary folder
	}
	os.Exit(code)
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

// program is one process of the program on a data folder.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	done chan struct{}
	log  *bytes.Buffer
}

var apiAt = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

var theTemplate = filepath.Join("..", "..", "template.yaml")

// setting is how a program is started.
type setting struct {
	data     string
	template string              // "": the repository's
	under    []string            // a tracer and its arguments
	as       *syscall.Credential // nil: who runs the tests
}

func (s setting) command(t *testing.T) *exec.Cmd {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	args := append(slices.Clone(s.under), bin, "-addr", "127.0.0.1:0", "-webhook-addr", "127.0.0.1:0",
		"-data", s.data, "-template", cmp.Or(s.template, theTemplate), "-no-demo")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.as}
	return cmd
}

// launch starts the program on a data folder and waits until it serves.
func launch(t *testing.T, data string) *program { return start(t, setting{data: data}) }

func start(t *testing.T, s setting) *program {
	t.Helper()
	p := &program{t: t, cmd: s.command(t), done: make(chan struct{}), log: &bytes.Buffer{}}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	found := make(chan string, 1)
	go func() {
		defer close(p.done)
		for s := bufio.NewScanner(out); s.Scan(); {
			if at := apiAt.FindString(s.Text()); at != "" {
				select {
				case found <- at:
				default: // the webhook's, further down
				}
			}
		}
		_ = p.cmd.Wait()
	}()
	select {
	case p.url = <-found:
	case <-p.done:
		t.Fatalf("the program ended at once:\n%s", p.log)
	case <-time.After(30 * time.Second):
		t.Fatal("the program does not say where it listens")
	}
	return p
}

// kill ends the process, and its tracer, with SIGKILL.
func (p *program) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// stop ends the process as Ctrl-C does.
func (p *program) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT)
	<-p.done
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: 60 * time.Second}

// call makes a request and decodes the JSON answer into out, unless it is nil.
func (p *program) call(method, path, body string, header map[string]string, out any) (int, http.Header, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil && out != nil {
		err = json.Unmarshal(raw, out)
	}
	return res.StatusCode, res.Header, err
}

func (p *program) register(document string) {
	p.t.Helper()
	name := regexp.MustCompile(`(?m)^name: (\S+)`).FindStringSubmatch(document)[1]
	status, _, err := p.call("PUT", "/v1/workflows/"+name, document, map[string]string{"Content-Type": "application/yaml"}, nil)
	if err != nil || status != http.StatusCreated && status != http.StatusOK {
		p.t.Fatalf("register %s: %d %v", name, status, err)
	}
}

type started struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

// startMany starts n executions from some clients at once and returns their
// ids. Those that got no answer are not among them.
func (p *program) startMany(n, clients int, workflow string) []string {
	var mu sync.Mutex
	var ids []string
	var wg sync.WaitGroup
	next := make(chan struct{}, n)
	for range n {
		next <- struct{}{}
	}
	close(next)
	for range clients {
		wg.Go(func() {
			for range next {
				var e started
				status, _, err := p.call("POST", "/v1/executions", `{"workflow":"`+workflow+`","input":{}}`, nil, &e)
				if err == nil && status == http.StatusAccepted {
					mu.Lock()
					ids = append(ids, e.ID)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return ids
}

// awaitAll waits until every execution has ended, and says how they did.
func (p *program) awaitAll(ids []string, within time.Duration) map[string]int {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	ends := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, id := range ids {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			status := p.awaitOne(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			ends[status]++
		})
	}
	wg.Wait()
	return ends
}

func (p *program) awaitOne(ctx context.Context, id string) string {
	for {
		var e started
		_, _, err := p.call("GET", "/v1/executions/"+id, "", nil, &e)
		switch {
		case err == nil && (e.Status == "succeeded" || e.Status == "failed" || e.Status == "cancelled" || e.Status == "timed_out"):
			return e.Status
		case ctx.Err() != nil:
			return fmt.Sprintf("open (%s)", e.Status)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}
