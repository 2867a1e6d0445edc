package proof

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// No 202 leaves before the fsync that covers its write, as strace sees it: the
// execution's id is written to the log, the log is synced, and only then does
// an answer with that id go out.
func TestFsyncBeforeAcknowledgement(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not here; install it with the system's package manager (apt-get install strace)")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	p := launch(t, t.TempDir(), strace, "-f", "-s", "1048576", "-e", "trace=open,openat,write,pwrite64,fsync,fdatasync", "-o", trace)
	p.register("name: later\nsteps:\n  - {id: a, type: transform, output: 1}\n")
	ids := p.startMany(300, 30, "later")
	if len(ids) != 300 {
		t.Fatalf("%d of 300 starts were acknowledged", len(ids))
	}
	p.stop()
	src, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	seen := newTrace()
	scan := bufio.NewScanner(bytes.NewReader(src))
	scan.Buffer(nil, 64<<20)
	for scan.Scan() {
		seen.line(scan.Text())
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	for _, early := range seen.early {
		t.Errorf("the answer for %s left before its write was synced", early)
	}
	if seen.answers != 300 || seen.syncs == 0 {
		t.Fatalf("the trace shows %d answers and %d syncs; 300 answers wanted", seen.answers, seen.syncs)
	}
	t.Logf("%d answers, each after one of %d syncs", seen.answers, seen.syncs)
}

// traced follows a trace line by line.
type traced struct {
	wal     map[string]bool   // file descriptors of the log
	opening map[string]bool   // threads in an open of it
	syncing map[string]string // thread → descriptor being synced
	covers  map[string][]string
	pending []string        // ids written and not synced
	durable map[string]bool // ids synced
	early   []string
	answers int
	syncs   int
}

func newTrace() *traced {
	return &traced{wal: map[string]bool{}, opening: map[string]bool{}, syncing: map[string]string{}, covers: map[string][]string{}, durable: map[string]bool{}}
}

var (
	traceLine = regexp.MustCompile(`^(\d+) +(.*)$`)
	opened    = regexp.MustCompile(`= (\d+)$`)
	callOn    = regexp.MustCompile(`^(\w+)\((\d+)`)
	anID      = regexp.MustCompile(`ex_[0-9A-HJKMNP-TV-Z]{26}`)
)

func (s *traced) line(l string) {
	m := traceLine.FindStringSubmatch(l)
	if m == nil {
		return
	}
	thread, call := m[1], m[2]
	switch {
	case strings.HasPrefix(call, "open") && strings.Contains(call, "-wal\""):
		s.opening[thread] = true
		s.open(thread, call)
	case strings.HasPrefix(call, "<... open"):
		s.open(thread, call)
	case strings.HasPrefix(call, "<... fsync resumed"), strings.HasPrefix(call, "<... fdatasync resumed"):
		s.synced(thread, call)
	default:
		if on := callOn.FindStringSubmatch(call); on != nil {
			s.call(thread, on[1], on[2], call)
		}
	}
}

func (s *traced) open(thread, call string) {
	if fd := opened.FindStringSubmatch(call); fd != nil && s.opening[thread] {
		s.wal[fd[1]] = true
		delete(s.opening, thread)
	}
}

func (s *traced) call(thread, name, fd, call string) {
	switch {
	case name == "pwrite64" && s.wal[fd]:
		s.pending = append(s.pending, anID.FindAllString(call, -1)...)
	case (name == "fsync" || name == "fdatasync") && s.wal[fd]:
		// What was written before the sync begins is covered by it.
		s.syncing[thread], s.covers[thread], s.pending = fd, s.pending, nil
		s.synced(thread, call)
	case name == "write" && strings.Contains(call, "202 Accepted"):
		for _, id := range anID.FindAllString(call, 1) {
			s.answers++
			if !s.durable[id] {
				s.early = append(s.early, id)
			}
		}
	}
}

func (s *traced) synced(thread, call string) {
	if _, on := s.syncing[thread]; !on || !strings.HasSuffix(call, "= 0") {
		return
	}
	s.syncs++
	for _, id := range s.covers[thread] {
		s.durable[id] = true
	}
	delete(s.syncing, thread)
	delete(s.covers, thread)
}
