package proof

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
)

// A disk that is really full: starts are refused with 503, what was
// acknowledged is read as before, and with space again everything goes on by
// itself, the executions that were under way included.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := fullDisk(t)
	for _, id := range d.held {
		if e := d.read(id); e.Status != "waiting" && e.Status != "running" && e.Status != "queued" {
			t.Errorf("on the full disk %s is %q", id, e.Status)
		}
	}
	d.makeSpace()
	d.until(30*time.Second, "starts are accepted again", func() bool {
		status, _ := d.begin(`{"workflow":"patient"}`)
		return status == http.StatusAccepted
	})
	d.allIsThere(d.program)
	d.stop()
	again := start(t, d.setting)
	d.allIsThere(again)
	again.stop()
}

// Killed on a full disk: the program goes on in the room that its files have, or
// says why it does not start, as it does where there are no files yet; and with
// space again it goes on with everything.
func TestKilledOnAFullDisk(t *testing.T) {
	t.Parallel()
	d := fullDisk(t)
	d.kill()
	d.fillUp(t)
	setting{data: filepath.Join(filepath.Dir(d.data), "fresh"), template: d.template}.refuses(t, "disk is full")
	d.servesOrSays(t, "no space left")
	d.makeSpace()
	again := start(t, d.setting)
	d.allIsThere(again)
	again.stop()
}

// Stopped, and started when the disk is full: a file without a log needs room
// for one even to be read, which is no damage.
func TestStartedOnAFullDisk(t *testing.T) {
	t.Parallel()
	valid := worked(t)
	d := &full{setting: setting{data: filepath.Join(smallDisk(t, "8m"), "data"), template: theTemplate}}
	file := filepath.Join(d.data, sqlitefile.Name)
	must(t, os.Mkdir(d.data, 0o700))
	must(t, os.WriteFile(file, valid, 0o600))
	d.fillUp(t)
	d.refuses(t, "has no space left")
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, valid) {
		t.Errorf("the file was changed (%v)", err)
	}
}

// full is a program whose disk has run full under work.
type full struct {
	*program
	setting
	ballast string   // a file in the way
	working []string // executions that were under way
	held    []string // executions that wait, with large inputs
}

func fullDisk(t *testing.T) *full {
	t.Helper()
	disk := smallDisk(t, "64m")
	d := &full{ballast: filepath.Join(disk, "ballast"), setting: setting{data: filepath.Join(disk, "data"), template: hastyTemplate(t)}}
	if err := os.WriteFile(d.ballast, make([]byte, 40<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	called := calledtest.New(t, 50*time.Millisecond)
	d.program = start(t, d.setting)
	d.register(calledtest.Five("five", called.URL, ", attemptTimeout: 2s"))
	d.register("name: patient\nsteps:\n  - {id: long, type: wait, duration: 1h}\n")
	d.working = d.startMany(200, 50, "five")
	d.held = d.fill()
	if len(d.working) != 200 || len(d.held) == 0 {
		t.Fatalf("%d of 200 and %d large starts were acknowledged", len(d.working), len(d.held))
	}
	return d
}

// fillUp takes what the killed program has left free.
func (d *full) fillUp(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(filepath.Dir(d.data), "rest"))
	must(t, err)
	defer f.Close()
	for page := make([]byte, 4096); err == nil; {
		_, err = f.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// servesOrSays starts the program. How much of its log a killed one had moved to
// its table decides whether there is room for another.
func (d *full) servesOrSays(t *testing.T, want string) {
	t.Helper()
	cmd := d.command(t)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	late := time.AfterFunc(time.Minute, kill)
	defer late.Stop()
	serves := false
	for s := bufio.NewScanner(out); !serves && s.Scan(); {
		serves = apiAt.MatchString(s.Text())
	}
	if serves {
		kill()
		_ = cmd.Wait()
		return
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(errs.String(), want) {
		t.Errorf("it ended with %v and says %q; it is to serve, or to end with status 1 and %q", err, errs.String(), want)
	}
}

func (d *full) makeSpace() {
	d.t.Helper()
	if err := os.Remove(d.ballast); err != nil {
		d.t.Fatal(err)
	}
}

// allIsThere demands of a program on this disk what was acknowledged before.
func (d *full) allIsThere(p *program) {
	p.t.Helper()
	if ends := p.awaitAll(d.working, 60*time.Second); ends["succeeded"] != len(d.working) {
		p.t.Errorf("what was under way when the disk ran full: %v, %d succeeded wanted\n%s", ends, len(d.working), p.log)
	}
	for _, id := range d.held {
		if e := p.read(id); e.ID != id || e.Status == "failed" {
			p.t.Errorf("%s was acknowledged and is now %+v", id, e)
		}
	}
}

// hastyTemplate is the template with the protocol's times a sixth of what they
// are, so that a test need not wait two minutes for what a failed worker held.
func hastyTemplate(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile(theTemplate)
	if err != nil {
		t.Fatal(err)
	}
	text := string(src)
	for name, to := range map[string]string{
		"WorkerTimeout": "10", "LaneVisibility": "15", "SoloTimeout": "150", "SoloVisibility": "160",
		"LeaseGrace": "1s", "SkewGrace": "500ms", "NoNewStep": "7s", "MaxAttempt": "6s",
		"SoloLease": "11s", "SoloRenew": "5s", "SoloVisible": "15s",
	} {
		def := regexp.MustCompile(`(?m)(^  ` + name + `:(?:\n    Type: Number\n    |.*)Default: )\w+`)
		if len(def.FindAllString(text, -1)) != 1 {
			t.Fatalf("template.yaml has no parameter %s with a default any more", name)
		}
		text = def.ReplaceAllString(text, "${1}"+to)
	}
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fill starts executions with inputs that cannot be compressed until the disk
// is full, also for the smallest, and returns the ids of those acknowledged.
func (p *program) fill() (acknowledged []string) {
	p.t.Helper()
	for size := 256 << 10; size > 0; size /= 4 {
		for {
			junk := make([]byte, size)
			_, _ = rand.Read(junk) // never fails
			body := `{"workflow":"patient","input":"` + base64.StdEncoding.EncodeToString(junk) + `"}`
			status, e := p.begin(body)
			if status == http.StatusAccepted {
				acknowledged = append(acknowledged, e.ID)
				continue
			}
			var refusal struct{ Type, Detail string }
			status, h, err := p.call("POST", "/v1/executions", body, nil, &refusal)
			if err != nil || status != http.StatusServiceUnavailable || h.Get("Retry-After") != "30" || !strings.Contains(refusal.Detail, "no space left") {
				p.t.Fatalf("on a full disk a start is answered with %d %+v %v (%v); 503 that speaks of space wanted", status, refusal, h, err)
			}
			break
		}
	}
	return acknowledged
}

// begin makes one start and answers with its status.
func (p *program) begin(body string) (int, started) {
	p.t.Helper()
	var answer json.RawMessage
	status, _, err := p.call("POST", "/v1/executions", body, nil, &answer)
	var e started
	if err == nil && status == http.StatusAccepted {
		err = json.Unmarshal(answer, &e)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return status, e
}

func (p *program) read(id string) started {
	p.t.Helper()
	var e started
	if _, _, err := p.call("GET", "/v1/executions/"+id, "", nil, &e); err != nil {
		p.t.Fatal(err)
	}
	return e
}

// until asks again and again whether something has come true.
func (p *program) until(limit time.Duration, what string, so func() bool) {
	p.t.Helper()
	for late := time.Now().Add(limit); !so(); time.Sleep(50 * time.Millisecond) { // another process, seen from outside
		if time.Now().After(late) {
			p.t.Fatalf("not within %s: %s\n%s", limit, what, p.log)
		}
	}
}

// smallDisk mounts a file system of its own, which only root may.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("a small disk cannot be mounted here, root on Linux can: %v %s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	})
	return dir
}
