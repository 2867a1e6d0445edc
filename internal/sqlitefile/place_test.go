package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// clock is one that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) forward(d time.Duration) { c.at.Add(int64(d)) }

// What the next start would not find is not acknowledged.
func TestFilesThatAreTakenAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		take func(dir string) error
		back func(dir string) error // nil: there is no way
		says string
	}{
		"folder deleted": {os.RemoveAll, nil, Name},
		"folder moved":   {func(dir string) error { return os.Rename(dir, dir+"2") }, func(dir string) error { return os.Rename(dir+"2", dir) }, Name},
		"folder replaced": {func(dir string) error {
			return errors.Join(os.Rename(dir, dir+"2"), os.CopyFS(dir, os.DirFS(dir+"2")))
		}, func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Rename(dir+"2", dir)) }, Name + " is another file"},
		"folder is a file": {func(dir string) error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)) }, nil, Name},
		"database deleted": {func(dir string) error { return os.Remove(filepath.Join(dir, Name)) }, nil, Name},
		"log deleted":      {func(dir string) error { return os.Remove(filepath.Join(dir, Name+"-wal")) }, nil, Name + "-wal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, clock, told := filepath.Join(t.TempDir(), "data"), &clock{}, []error{}
			f := openFile(t, dir, Options{Now: clock.now, OnLost: func(err error) { told = append(told, err) }})
			makeTable(t, f)
			insert(t, f, 1)
			if err := c.take(dir); err != nil {
				t.Fatal(err)
			}
			f.Later(exec(insertStmt, int64(2), []byte{})) // Close must not wait for it
			for n := range int64(3) {
				clock.forward(lookEvery)
				err := f.Do(context.Background(), exec(insertStmt, 10+n, []byte{}))
				if !errors.Is(err, ErrLost) || !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("write %d: got %v, want ErrLost with %q", n, err, c.says)
				}
			}
			if err := f.Reachable(); !errors.Is(err, ErrLost) {
				t.Errorf("reachable: got %v, want ErrLost", err)
			}
			before := contents(t, dir)
			for range maxReaders {
				if err := f.Read(context.Background(), func(*Reader) error { return nil }); err != nil && !errors.Is(err, ErrLost) {
					t.Errorf("read: %v", err)
				}
			}
			f.checkpoint.checkpoint(f)
			if after := contents(t, dir); after != before {
				t.Errorf("the folder held %s, and after reads %s", before, after)
			}
			if c.back == nil {
				c.back = func(string) error { return nil }
			} else if err := c.back(dir); err != nil {
				t.Fatal(err)
			} else {
				clock.forward(lookEvery)
				insert(t, f, 20)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if len(told) != 1 || !errors.Is(told[0], ErrLost) {
				t.Errorf("told %v, want one ErrLost", told)
			}
		})
	}
}

// Whoever waits is answered, however much of Later's stands before him.
func TestLostFilesKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	dir, clock := filepath.Join(t.TempDir(), "data"), &clock{}
	f := openFile(t, dir, Options{Now: clock.now})
	makeTable(t, f)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	clock.forward(lookEvery)
	for n := range int64(3 * MaxLot) {
		f.Later(exec(insertStmt, 100+n, []byte{}))
	}
	for n := range int64(3) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := f.Do(ctx, exec(insertStmt, n, []byte{})); !errors.Is(err, ErrLost) {
			t.Errorf("write %d: got %v, want ErrLost at once", n, err)
		}
		cancel()
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// contents are the names and sizes of what a folder holds.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	entries, _ := os.ReadDir(dir) // none where there is no folder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, e.Name(), info.Size())
	}
	return b.String()
}

// The writer looks now and then, and before the first write after a pause.
func TestTheLookIsRare(t *testing.T) {
	t.Parallel()
	dir, clock := filepath.Join(t.TempDir(), "data"), &clock{}
	f := openFile(t, dir, Options{Now: clock.now})
	makeTable(t, f)
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	clock.forward(lookEvery - 1)
	insert(t, f, 1)
	clock.forward(1)
	if err := f.Do(context.Background(), exec(insertStmt, int64(2), []byte{})); !errors.Is(err, ErrLost) {
		t.Errorf("when a look is due: got %v, want ErrLost", err)
	}
	if err := os.Rename(dir+"2", dir); err != nil {
		t.Fatal(err)
	}
	clock.forward(-time.Hour) // set back: an hour without a look would be too long
	insert(t, f, 3)
}
