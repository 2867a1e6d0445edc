//go:build aws

package awsproof

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// The previous commit's worker and the current one work on one table, each on
// what the other has left in the middle.
func TestPreviousCommitBesideCurrent(t *testing.T) {
	t.Parallel()
	previous := build(t, checkout(t, "HEAD~"))
	current := build(t, tree)
	w := newWorld(t)
	called := calledtest.New(t, 100*time.Millisecond)
	w.register(mixed(called.URL))

	ids := w.start(50, "mixed")
	for _, binary := range []string{previous, current, previous} { // each dies in the middle
		one, before := w.worker(binary, "-invocations", "2"), len(called.Snapshot())
		called.Until(t, before+20)
		one.kill()
	}
	w.worker(previous, "-invocations", "2", "-sweep", "6s")
	w.worker(current, "-invocations", "2", "-sweep", "6s")
	ids = append(ids, w.start(50, "mixed")...)
	if ends := w.ends(ids, 4*time.Minute); ends[record.Succeeded] != len(ids) {
		t.Errorf("%v of %d", ends, len(ids))
	}
	w.wantNoDeadLetters()
}

// checkout is a commit's source tree. The worker's folder comes from today
// where the commit has none yet.
func checkout(t *testing.T, commit string) string {
	t.Helper()
	dir := t.TempDir()
	git := exec.Command("git", "archive", commit)
	git.Dir = tree
	var said bytes.Buffer
	git.Stderr = &said
	text, err := git.Output()
	if err != nil {
		t.Fatalf("git archive %s: %v: %s (a clone of one commit has no other to compare with)", commit, err, &said)
	}
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		write(t, filepath.Join(dir, h.Name), r)
	}
	program := filepath.Join("infra", "awsproof", "worker", "main.go")
	if _, err := os.Stat(filepath.Join(dir, program)); errors.Is(err, os.ErrNotExist) {
		today, err := os.Open(filepath.Join(tree, program))
		if err != nil {
			t.Fatal(err)
		}
		defer today.Close()
		write(t, filepath.Join(dir, program), today)
	}
	return dir
}

func write(t *testing.T, name string, from io.Reader) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, from); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
