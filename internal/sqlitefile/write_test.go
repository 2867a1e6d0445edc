package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	createStmt = NewStmt(`CREATE TABLE x (n INTEGER PRIMARY KEY, body BLOB)`)
	insertStmt = NewStmt(`INSERT INTO x (n, body) VALUES (?, ?)`)
	brokenStmt = NewStmt(`INSERT INTO x (n, body) VALUES (?, 'text') RETURNING abs(-9223372036854775808)`)
	countStmt  = NewStmt(`SELECT count(*) FROM x`)
)

func openFile(t testing.TB, dir string, o Options) *File {
	t.Helper()
	f, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func makeTable(t testing.TB, f *File) {
	t.Helper()
	if err := f.Do(context.Background(), exec(createStmt)); err != nil {
		t.Fatal(err)
	}
}

func exec(s *Stmt, args ...driver.Value) func(*Tx) error {
	return func(tx *Tx) error {
		_, _, err := tx.Exec(s, args...)
		return err
	}
}

func insert(t testing.TB, f *File, n int64) {
	t.Helper()
	if err := f.Do(context.Background(), exec(insertStmt, n, make([]byte, 1000))); err != nil {
		t.Fatal(err)
	}
}

func rows(t testing.TB, f *File) (n int64) {
	t.Helper()
	err := f.Read(context.Background(), func(r *Reader) error {
		return r.Query(countStmt, func(row []driver.Value) bool {
			n = row[0].(int64)
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func table(t *testing.T) *File {
	f := openFile(t, t.TempDir(), Options{})
	makeTable(t, f)
	return f
}

// hold keeps the writer busy until release is called, so that a lot gathers.
func hold(f *File) (release func()) {
	began, end := make(chan struct{}), make(chan struct{})
	go func() {
		_ = f.Do(context.Background(), func(*Tx) error {
			close(began)
			<-end
			return nil
		})
	}()
	<-began
	return func() { close(end) }
}

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := table(t)
		before := f.Stats()
		release := hold(f)
		var wg sync.WaitGroup
		for i := range int64(2*MaxLot + 1) {
			wg.Go(func() { insert(t, f, i) })
		}
		synctest.Wait()
		release()
		wg.Wait()
		after := f.Stats()
		if n := after.Commits - before.Commits; n != 3 {
			t.Errorf("%d writes took %d commits, want 3 of at most %d", 2*MaxLot+1, n, MaxLot)
		}
		if n := after.Operations - before.Operations; n != 2*MaxLot+2 {
			t.Errorf("%d operations counted, want %d", n, 2*MaxLot+2)
		}
		if n := rows(t, f); n != 2*MaxLot+1 {
			t.Errorf("%d rows", n)
		}
	})
}

// A lone write is committed at once, on a clock that does not move.
func TestIdleWriterDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := table(t)
		began := time.Now()
		for i := range int64(10) {
			insert(t, f, i)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("ten writes waited %s of the clock", took)
		}
	})
}

func TestRefusalSpoilsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := table(t)
		refusal := errors.New("refused")
		release := hold(f)
		answers := make([]error, 9)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				answers[i] = f.Do(t.Context(), func(tx *Tx) error {
					if i%3 == 0 {
						return refusal
					}
					return exec(insertStmt, int64(i), nil)(tx)
				})
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		for i, err := range answers {
			if (i%3 == 0) != errors.Is(err, refusal) || i%3 != 0 && err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		}
		if n := rows(t, f); n != 6 {
			t.Errorf("%d rows, want 6", n)
		}
	})
}

// When SQLite fails, nothing of the lot is written, everyone hears so, caches
// are dropped before that, and the next lot works.
func TestFailedLot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := table(t)
		var dropped atomic.Int32
		var tooLate atomic.Bool
		f.OnRollback(func() { dropped.Add(1) })
		release := hold(f)
		answers := make([]error, 5)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				stmt := insertStmt
				if i == 3 {
					stmt = brokenStmt
				}
				answers[i] = f.Do(t.Context(), exec(stmt, int64(i)))
				if dropped.Load() == 0 {
					tooLate.Store(true)
				}
			})
			synctest.Wait() // one after the other
		}
		release()
		wg.Wait()
		for i, err := range answers {
			if !errors.Is(err, ErrBusy) || errors.Is(err, ErrUnknown) {
				t.Errorf("write %d: %v, want ErrBusy", i, err)
			}
		}
		if n := rows(t, f); n != 0 || dropped.Load() != 1 || tooLate.Load() {
			t.Errorf("%d rows, caches dropped %d times, too late: %v; want 0, 1 and false", n, dropped.Load(), tooLate.Load())
		}
		insert(t, f, 1)
	})
}

func TestFull(t *testing.T) {
	t.Parallel()
	f := openFile(t, t.TempDir(), Options{MaxBytes: 20 * pageSize})
	makeTable(t, f)
	var err error
	n := int64(0)
	for ; n < 1000; n++ {
		if err = f.Do(t.Context(), exec(insertStmt, n, make([]byte, 1000))); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) || !errors.Is(err, ErrBusy) {
		t.Fatalf("after %d rows: %v, want ErrFull", n, err)
	}
	if got := rows(t, f); got != n {
		t.Errorf("%d rows, want the %d acknowledged", got, n)
	}
	if err := f.Do(t.Context(), exec(NewStmt(`DELETE FROM x WHERE n < 20`))); err != nil {
		t.Fatalf("making space: %v", err)
	}
	insert(t, f, 1)
}

func TestContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := table(t)
		ctx, cancel := context.WithCancel(t.Context())
		release := hold(f)
		answer := make(chan error)
		go func() { answer <- f.Do(ctx, exec(insertStmt, int64(1), nil)) }()
		synctest.Wait()
		cancel()
		if err := <-answer; !errors.Is(err, context.Canceled) || !errors.Is(err, ErrBusy) {
			t.Errorf("withdrawn: %v, want ErrBusy and the context's", err)
		}
		release()
		insert(t, f, 2)
		if n := rows(t, f); n != 1 {
			t.Errorf("%d rows, want 1: the withdrawn write must not be there", n)
		}
		if err := f.Do(ctx, exec(insertStmt, int64(3), nil)); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
		if err := f.Read(ctx, func(*Reader) error { return nil }); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("read with an ended context: %v", err)
		}
	})
}

func TestCloseFinishesWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f := openFile(t, dir, Options{})
		makeTable(t, f)
		release := hold(f)
		answers := make(chan error, 5)
		for i := range int64(5) {
			go func() { answers <- f.Do(context.Background(), exec(insertStmt, i, nil)) }()
		}
		f.Later(exec(insertStmt, int64(5), nil))
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- f.Close() }()
		synctest.Wait()
		release()
		for range 5 {
			if err := <-answers; err != nil {
				t.Errorf("a write that waited: %v", err)
			}
		}
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		if err := f.Do(t.Context(), exec(insertStmt, int64(9), nil)); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
		if err := f.Read(t.Context(), func(*Reader) error { return nil }); !errors.Is(err, ErrClosed) {
			t.Errorf("read after Close: %v, want ErrClosed", err)
		}
		if n := rows(t, openFile(t, dir, Options{})); n != 6 {
			t.Errorf("%d rows, want 6", n)
		}
	})
}

// What was answered survives the process: the file and its log as they lie on
// the disk hold it, without Close.
func TestDurableWithoutClose(t *testing.T) {
	t.Parallel()
	dir, left := t.TempDir(), t.TempDir()
	f := openFile(t, dir, Options{Preallocate: 4 << 20})
	makeTable(t, f)
	for i := range int64(50) {
		insert(t, f, i)
	}
	for _, name := range []string{Name, Name + "-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(left, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := rows(t, openFile(t, left, Options{})); n != 50 {
		t.Errorf("%d of 50 acknowledged rows are there", n)
	}
}

// Under constant writing the log is folded in and begun anew.
func TestCheckpointBoundsLog(t *testing.T) {
	t.Parallel()
	const every, body = 1 << 20, 50 << 10
	dir := t.TempDir()
	f := openFile(t, dir, Options{checkpointEvery: every})
	makeTable(t, f)
	for i := range int64(400) {
		if err := f.Do(t.Context(), exec(insertStmt, i, make([]byte, body))); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, Name+"-wal"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 400*body/2 {
		t.Errorf("%d bytes written left a log of %d, folded in every %d", 400*body, info.Size(), every)
	}
	if n := rows(t, f); n != 400 {
		t.Errorf("%d rows", n)
	}
}
