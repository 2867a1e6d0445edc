package sqlitefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "with a # and a ?", "data")
	f := openFile(t, dir, Options{})
	makeTable(t, f)
	insert(t, f, 1)
	first := f.Incarnation()
	if len(first) != 8 || f.Dead(first+".nonce") || f.Dead("") || !f.Dead("someone.else") {
		t.Errorf("incarnation %q: the holder must live, others be dead, nobody be nobody", first)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	f = openFile(t, dir, Options{Preallocate: 1 << 20})
	if got := rows(t, f); got != 1 {
		t.Errorf("%d rows after opening again, want 1", got)
	}
	if f.Incarnation() == first || !f.Dead(first) {
		t.Error("the earlier opening must be dead")
	}
	if _, err := os.Stat(filepath.Join(dir, Name)); err != nil {
		t.Errorf("the file is not where it should be: %v", err)
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := openFile(t, dir, Options{})
	refused(t, dir, "in use by another process")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	openFile(t, dir, Options{})
}

// What is refused is left as it is, byte for byte.
func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	valid := validFile(t)
	patch := func(at int, b ...byte) []byte {
		data := bytes.Clone(valid)
		copy(data[at:], b)
		return data
	}
	var version [4]byte
	binary.BigEndian.PutUint32(version[:], Format+1)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"text":    {[]byte(strings.Repeat("not a database\n", 100)), "not a database"},
		"short":   {[]byte("SQLite format 3\x00"), "not a database"},
		"foreign": {patch(68, 1, 2, 3, 4), "another program"},
		"newer":   {patch(60, version[:]...), "has format 2, this version reads up to 1"},
		"damaged": {patch(pageSize, bytes.Repeat([]byte{0xa5}, 2*pageSize)...), "damaged"},
		"cut":     {valid[:pageSize+100], "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, Name)
			if err := errors.Join(os.WriteFile(path, c.data, 0o600), os.Chmod(path, 0o644)); err != nil {
				t.Fatal(err)
			}
			refused(t, dir, c.want)
			if got := modes(t, dir)[Name]; got != 0o644 {
				t.Errorf("the file's mode was changed to %o", got)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.data) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

func TestUnusableFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, file, "cannot be created")
	refused(t, filepath.Join(file, "below"), "cannot be created")
	if os.Getuid() == 0 {
		return // nothing is read-only for root
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	refused(t, closed, "not writable")
}

// A file that another process of ours began and did not finish is taken over.
func TestBegunFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, Name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	makeTable(t, openFile(t, dir, Options{}))
}

// modes are the modes of the data files that are there.
func modes(t *testing.T, dir string) map[string]os.FileMode {
	t.Helper()
	all := map[string]os.FileMode{}
	for _, name := range []string{Name, Name + "-wal", Name + "-shm"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			all[name] = info.Mode().Perm()
		}
	}
	return all
}

// Other users read nothing, also in a folder that they may enter.
func TestOtherUsersReadNothing(t *testing.T) {
	t.Parallel()
	private := map[string]os.FileMode{Name: 0o600, Name + "-wal": 0o600, Name + "-shm": 0o600}
	open := func(t *testing.T, dir string, o Options) *File {
		t.Helper()
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		f := openFile(t, dir, o)
		if got := modes(t, dir); !maps.Equal(got, private) {
			t.Errorf("with %+v: modes %v, want %v", o, got, private)
		}
		return f
	}
	for _, o := range []Options{{}, {Preallocate: 1 << 20}} {
		dir := t.TempDir()
		f := open(t, dir, o)
		makeTable(t, f)
		insert(t, f, 1)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, Name), 0o644); err != nil { // as an older version made it
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, Name+"-wal"), nil, 0o644); err != nil { //nolint:gosec // so may a crash have left it
			t.Fatal(err)
		}
		if got := rows(t, open(t, dir, o)); got != 1 {
			t.Errorf("%d rows after opening again, want 1", got)
		}
	}
}

func refused(t *testing.T, dir, want string) {
	t.Helper()
	f, err := Open(dir, Options{})
	if err == nil {
		_ = f.Close()
		t.Fatalf("opened, want an error with %q", want)
	}
	if text := err.Error(); !strings.Contains(text, want) || !strings.Contains(text, dir) || strings.Contains(text, "\n") {
		t.Errorf("got %q, want one line with %q and the folder", text, want)
	}
}

func validFile(t *testing.T) []byte {
	dir := t.TempDir()
	f := openFile(t, dir, Options{})
	makeTable(t, f)
	for i := range int64(20) {
		insert(t, f, i)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
