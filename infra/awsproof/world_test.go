//go:build aws

package awsproof

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/app/aws"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/standintest"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

const tenant = "default"

// brief is how long a call may take, as a field of each step.
const brief = ", attemptTimeout: 3s"

// times are the protocol's, a tenth of what template.yaml says.
var times = map[string]string{
	"STEPLINE_LEASE_GRACE": "500ms", "STEPLINE_SKEW_GRACE": "200ms", "STEPLINE_NO_NEW_STEP": "4500ms",
	"STEPLINE_MAX_ATTEMPT": "4s", "STEPLINE_SOLO_LEASE": "6500ms", "STEPLINE_SOLO_RENEW": "3s",
	"STEPLINE_SOLO_VISIBLE": "9s", "STEPLINE_SWEEP_LAG": "18s",
}

// lanes are the queues of template.yaml with their visibility a tenth.
var lanes = map[queue.Lane]standintest.Lane{
	queue.High:   {Visibility: 9 * time.Second, MaxReceives: 5},
	queue.Normal: {Visibility: 9 * time.Second, MaxReceives: 5},
	queue.Low:    {Visibility: 9 * time.Second, MaxReceives: 5},
	queue.Solo:   {Visibility: 96 * time.Second, MaxReceives: 5},
	queue.Dead:   {Visibility: 9 * time.Second},
}

// world is a table and queues with the services of this process on them.
type world struct {
	*aws.Cloud
	t   *testing.T
	env map[string]string
}

// newWorld makes a fresh table and fresh queues.
func newWorld(t *testing.T) *world {
	t.Helper()
	return onTable(t, standintest.NewTable(t, standintest.AWS()))
}

// onTable makes fresh queues for a table.
func onTable(t *testing.T, table string) *world {
	t.Helper()
	urls := standintest.NewQueues(t, standintest.AWS(), standintest.Queues(t), lanes)
	env := map[string]string{
		"STEPLINE_TABLE": table, "STEPLINE_CALLBACK_KEYS": strings.Repeat("k", 40),
		"STEPLINE_PUBLIC_URL": "https://hooks.example.com", "STEPLINE_LOG_LEVEL": "error",
		"AWS_ENDPOINT_URL_DYNAMODB": standintest.Tables(t), "AWS_ENDPOINT_URL_SQS": standintest.Queues(t),
		"AWS_REGION": "us-east-1",
	}
	for lane, url := range urls {
		env["STEPLINE_QUEUE_"+strings.ToUpper(string(lane))] = url
	}
	for name, value := range times {
		env[name] = value
	}
	w := &world{t: t, env: env}
	var err error
	if w.Cloud, err = reopen(w, 0); err != nil {
		t.Fatal(err)
	}
	return w
}

// reopen makes the services once more, as another process would whose clock is
// ahead.
func reopen(w *world, ahead time.Duration) (*aws.Cloud, error) {
	c, err := aws.FromEnv("worker", func(name string) string { return w.env[name] })
	if err != nil {
		return nil, err
	}
	c.Queues[queue.Dead] = w.env["STEPLINE_QUEUE_DEAD"]
	return aws.Open(w.t.Context(), c, func() time.Time { return time.Now().Add(ahead) }, slog.New(slog.DiscardHandler))
}

// register makes a workflow's document live.
func (w *world) register(document string) {
	w.t.Helper()
	doc, err := workflow.Parse([]byte(document))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := w.Registry.Put(w.t.Context(), tenant, doc.Name, doc); err != nil {
		w.t.Fatal(err)
	}
}

// start starts n executions from some clients at once and returns their ids.
func (w *world) start(n int, workflow string) []string {
	w.t.Helper()
	ids := make([]string, n)
	var wg sync.WaitGroup
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	for range 16 {
		wg.Go(func() {
			for i := range next {
				s, err := w.Runner.Start(w.t.Context(), runner.StartRequest{Tenant: tenant, Workflow: workflow, Input: []byte(`{}`)})
				if err != nil {
					w.t.Errorf("start %d: %v", i, err)
				}
				ids[i] = s.ID
			}
		})
	}
	wg.Wait()
	if w.t.Failed() {
		w.t.FailNow()
	}
	return ids
}

// ends waits until every execution has ended and counts how; what is still open
// when the time is over counts as it stands.
func (w *world) ends(ids []string, within time.Duration) map[record.Status]int {
	w.t.Helper()
	counts := map[record.Status]int{}
	open := ids
	for deadline := time.Now().Add(within); ; time.Sleep(200 * time.Millisecond) { // other processes work; the table cannot call us
		var left []string
		for _, m := range w.metas(open) {
			if m.Status.Terminal() {
				counts[m.Status]++
				if m.Status != record.Succeeded {
					w.t.Logf("%s %s in epoch %d after %d crashes, %d returns from the dead: %+v", m.ID, m.Status, m.Epoch, m.Crashes, m.Returns, m.Error)
				}
			} else {
				left = append(left, m.ID)
			}
		}
		if open = left; len(open) == 0 || time.Now().After(deadline) {
			break
		}
	}
	for _, m := range w.metas(open) {
		counts[m.Status]++
		w.t.Logf("open: %s %s epoch %d, lease until %s, due %s, %d crashes, %d returns from the dead, %d re-sends, message %s", m.ID, m.Status, m.Epoch,
			clock(m.LeaseUntil), clock(m.DueAt), m.Crashes, m.Returns, m.Resends, m.Message)
	}
	if len(open) > 0 {
		for l := range lanes {
			visible, inFlight, delayed, err := w.Queue.Depth(context.Background(), l)
			w.t.Logf("lane %s at %s: %d visible, %d in flight, %d delayed (%v)", l, clock(time.Now().UnixMilli()), visible, inFlight, delayed, err)
		}
	}
	return counts
}

// clock is a time of day for a log.
func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("15:04:05.000") }

// metas reads executions, strongly.
func (w *world) metas(ids []string) []*record.Meta {
	w.t.Helper()
	var out []*record.Meta
	for i := 0; i < len(ids); i += 100 {
		items, err := w.Table.Get(context.Background(), metaKeys(ids[i:min(i+100, len(ids))]), true)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, it := range items {
			m, err := record.DecodeMeta(it)
			if err != nil {
				w.t.Fatal(err)
			}
			out = append(out, m)
		}
	}
	if len(out) != len(ids) {
		w.t.Fatalf("%d of %d executions are in the table", len(out), len(ids))
	}
	return out
}

// built are the worker's binaries, by the folder of their source.
var built sync.Map

// build builds the worker of a source tree, once.
func build(t *testing.T, tree string) string {
	t.Helper()
	once, _ := built.LoadOrStore(tree, sync.OnceValues(func() (string, error) {
		path := filepath.Join(folder, fmt.Sprintf("worker-%x", time.Now().UnixNano()))
		cmd := exec.Command("go", "build", "-o", path, "./infra/awsproof/worker")
		cmd.Dir = tree
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w\n%s", err, out)
		}
		return path, nil
	}))
	path, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// folder holds what the tests build.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "stepline-awsproof"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder) // a temporary folder
	os.Exit(code)
}

// worker is one process.
type worker struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}
	log  bytes.Buffer
}

// tree is this source tree.
var tree = filepath.Join("..", "..")

// worker starts a worker process and waits until it works.
func (w *world) worker(binary string, args ...string) *worker {
	w.t.Helper()
	p := &worker{t: w.t, cmd: exec.Command(binary, args...), done: make(chan struct{})}
	p.cmd.Env = os.Environ()
	for name, value := range w.env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		if s := bufio.NewScanner(out); s.Scan() {
			close(ready)
		}
		_ = p.cmd.Wait()
		close(p.done)
	}()
	w.t.Cleanup(p.kill)
	select {
	case <-ready:
	case <-p.done:
		w.t.Fatalf("the worker ended at once:\n%s", &p.log)
	case <-time.After(time.Minute):
		w.t.Fatal("the worker does not begin")
	}
	return p
}

// kill ends the process with SIGKILL.
func (p *worker) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}
