package proof

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
)

// No 202 leaves before the fsync that covers its write, as strace sees it: the
// execution's id is written to the log, the log is synced, and only then does
// an answer with that id go out.
func TestFsyncBeforeAcknowledgement(t *testing.T) {
	t.Parallel()
	trace := filepath.Join(t.TempDir(), "trace")
	p := start(t, setting{data: t.TempDir(), under: strace(t, trace, "open,openat,write,pwrite64,fsync,fdatasync")})
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
	seen := follow(t, src)
	for _, early := range seen.early {
		t.Errorf("the answer for %s left before its write was synced", early)
	}
	if seen.answers != 300 || seen.syncs == 0 {
		t.Fatalf("the trace shows %d answers and %d syncs; 300 answers wanted", seen.answers, seen.syncs)
	}
	t.Logf("%d answers, each after one of %d syncs", seen.answers, seen.syncs)
}

// Under load executions share their fsyncs: five steps each, and yet less than
// one fsync for each of them. The disk takes 10 ms for one: one that is faster
// than the processors can make writes has nothing to share.
func TestExecutionsShareTheirSyncs(t *testing.T) {
	t.Parallel()
	const executions = 1000
	called := calledtest.New(t, 0)
	answer, inner := make(chan struct{}), called.Config.Handler
	called.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-answer
		inner.ServeHTTP(w, r)
	})
	trace := filepath.Join(t.TempDir(), "trace")
	p := start(t, setting{data: t.TempDir(), under: strace(t, trace, "open,openat,fsync,fdatasync", "inject=fsync,fdatasync:delay_exit=10000")})
	p.register(calledtest.Five("five", called.URL, ""))
	ids := p.startMany(executions, 100, "five")
	close(answer) // the load does not depend on how fast they could be started
	if ends := p.awaitAll(ids, time.Minute); ends["succeeded"] != executions {
		t.Fatalf("%v, %d succeeded wanted", ends, executions)
	}
	p.stop()
	src, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	syncs := follow(t, src).syncs
	if syncs == 0 || syncs >= executions {
		t.Errorf("%d fsyncs of the log for %d executions; fewer than one each wanted", syncs, executions)
	}
	t.Logf("%d fsyncs of the log for %d executions of five steps", syncs, executions)
}

// The reader of traces sees what it is there for: made-up traces with an answer
// in time, too early, and while the sync is still under way.
func TestEarlyAnswersAreSeen(t *testing.T) {
	t.Parallel()
	const id = "ex_01JDAAAAAAAAAAAAAAAAAAAAAA"
	opens := `7 openat(AT_FDCWD, "/d/stepline.db-wal", O_RDWR|O_CREAT) = 9` + "\n"
	written := `7 pwrite64(9, "..default#` + id + `..", 8192, 0) = 8192` + "\n"
	synced := `7 fdatasync(9) = 0` + "\n"
	begins, ends := `7 fdatasync(9 <unfinished ...>`+"\n", `7 <... fdatasync resumed>) = 0`+"\n"
	answer := `8 write(11, "HTTP/1.1 202 Accepted\r\n..` + id + `..", 300) = 300` + "\n"
	for name, c := range map[string]struct {
		trace string
		early int
	}{
		"in time":             {opens + written + synced + answer, 0},
		"resumed in time":     {opens + written + begins + ends + answer, 0},
		"before the sync":     {opens + written + answer + synced, 1},
		"during the sync":     {opens + written + begins + answer + ends, 1},
		"written after it":    {opens + synced + written + answer, 1},
		"written during it":   {opens + begins + written + ends + answer, 1},
		"never written":       {opens + synced + answer, 1},
		"another file synced": {opens + written + `7 fsync(3) = 0` + "\n" + answer, 1},
		"the sync failed":     {opens + written + `7 fdatasync(9) = -1 EIO (Input/output error)` + "\n" + answer, 1},
	} {
		seen := follow(t, []byte(c.trace))
		if len(seen.early) != c.early || seen.answers != 1 {
			t.Errorf("%s: %d answers, %d of them early; 1 and %d wanted", name, seen.answers, len(seen.early), c.early)
		}
	}
}

// strace is the command that writes the program's calls of the kinds given to a
// file, stopping it for no other call, and does what else it is told with them.
func strace(t *testing.T, file, calls string, also ...string) []string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		missing(t, "strace is not here; install it with the system's package manager (apt-get install strace)")
	}
	const page = "9000" // what of a write is shown: a page of the log, with its header
	command := []string{path, "-f", "--seccomp-bpf", "-s", page, "-e", "trace=" + calls, "-e", "signal=none", "-o", file}
	for _, expression := range also {
		command = append(command, "-e", expression)
	}
	return command
}

func follow(t *testing.T, src []byte) *traced {
	t.Helper()
	seen := newTrace()
	scan := bufio.NewScanner(bytes.NewReader(src))
	scan.Buffer(nil, 64<<20)
	for scan.Scan() {
		seen.line(scan.Text())
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	return seen
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
	if _, on := s.syncing[thread]; !on || !strings.HasSuffix(strings.TrimSuffix(call, " (DELAYED)"), "= 0") {
		return
	}
	s.syncs++
	for _, id := range s.covers[thread] {
		s.durable[id] = true
	}
	delete(s.syncing, thread)
	delete(s.covers, thread)
}
