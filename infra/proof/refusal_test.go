package proof

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
)

// What the program cannot work on it refuses: one line, status 1, and not a
// byte of the database is changed.
func TestUnusableData(t *testing.T) {
	t.Parallel()
	valid := worked(t)
	template, err := os.ReadFile(theTemplate)
	must(t, err)
	for name, c := range map[string]struct {
		spoil func(t *testing.T, file string)
		want  string
	}{
		"overwritten in the middle": {overwrite(func(b []byte) { copy(b[len(b)/2:], bytes.Repeat([]byte{0x5a}, 9000)) }), "is damaged"},
		"header overwritten":        {overwrite(func(b []byte) { copy(b, "a text file") }), "is not a database"},
		"cut short":                 {func(t *testing.T, file string) { must(t, os.Truncate(file, int64(len(valid)/2))) }, "is damaged"},
		"of another program":        {overwrite(func(b []byte) { copy(b[68:], "MPBX") }), "belongs to another program"},
		"of a newer version":        {overwrite(func(b []byte) { b[63] = 99 }), "use a newer version"},
		"read-only file":            {func(t *testing.T, file string) { must(t, os.Chmod(file, 0o400)) }, "is not writable"},
		"read-only folder":          {closeFolder, "is not writable"},
		"folder read-only by now": {func(t *testing.T, file string) {
			lock := filepath.Join(filepath.Dir(file), "stepline.lock")
			must(t, os.WriteFile(lock, nil, 0o666))
			must(t, os.Chmod(lock, 0o666)) //nolint:gosec // whoever runs the program may open it
			closeFolder(t, file)
		}, "is not writable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := openToAll(t, t.TempDir())
			s := setting{data: filepath.Join(dir, "data"), template: filepath.Join(dir, "template.yaml"), as: nobody}
			must(t, os.WriteFile(s.template, template, 0o644))
			file := filepath.Join(s.data, sqlitefile.Name)
			must(t, os.Mkdir(s.data, 0o700))
			must(t, os.WriteFile(file, valid, 0o600))
			if s.as != nil {
				for _, path := range []string{s.data, file} {
					must(t, os.Chown(path, int(s.as.Uid), int(s.as.Gid)))
				}
			}
			c.spoil(t, file)
			before, err := os.ReadFile(file)
			must(t, err)
			s.refuses(t, c.want)
			if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, before) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

// worked is the database of a program that has run a workflow.
func worked(t *testing.T) []byte {
	t.Helper()
	data := t.TempDir()
	p := launch(t, data)
	p.register("name: later\nsteps:\n  - {id: a, type: transform, output: 1}\n")
	p.startMany(50, 10, "later")
	p.stop()
	file, err := os.ReadFile(filepath.Join(data, sqlitefile.Name))
	must(t, err)
	return file
}

func overwrite(edit func([]byte)) func(*testing.T, string) {
	return func(t *testing.T, file string) {
		t.Helper()
		b, err := os.ReadFile(file)
		must(t, err)
		edit(b)
		must(t, os.WriteFile(file, b, 0o600))
	}
}

func closeFolder(t *testing.T, file string) {
	t.Helper()
	must(t, os.Chmod(filepath.Dir(file), 0o500)) //nolint:gosec // a folder, which must be entered
}

// nobody runs the program when root runs the tests: to root nothing is
// read-only.
var nobody = func() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}()

// openToAll lets everybody through a folder and the one that testing puts it
// into.
func openToAll(t *testing.T, dir string) string {
	t.Helper()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		must(t, os.Chmod(d, 0o755))
	}
	return dir
}

// refuses starts the program and demands that it ends at once with status 1 and
// one line that names the folder and says what is wanted.
func (s setting) refuses(t *testing.T, want string) {
	t.Helper()
	cmd := s.command(t)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	var exit *exec.ExitError
	must(t, cmd.Start())
	late := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // it runs
	defer late.Stop()
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v, status 1 wanted", err)
	}
	line := errs.String()
	if !strings.HasPrefix(line, "stepline: ") || strings.Count(line, "\n") != 1 || !strings.Contains(line, want) || !strings.Contains(line, s.data) {
		t.Errorf("it says %q; one line with %q and the folder wanted", line, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
