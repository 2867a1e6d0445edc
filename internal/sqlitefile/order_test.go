package sqlitefile

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLaterRides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := table(t)
		before := f.Stats().Commits
		f.Later(exec(insertStmt, int64(1), nil))
		synctest.Wait()
		if n := rows(t, f); n != 0 {
			t.Errorf("%d rows: Later had a commit of its own at once", n)
		}
		insert(t, f, 2)
		if n, commits := rows(t, f), f.Stats().Commits-before; n != 2 || commits != 1 {
			t.Errorf("%d rows in %d commits, want 2 in 1", n, commits)
		}
		f.Later(exec(insertStmt, int64(3), nil))
		time.Sleep(lateness) // of the bubble: when Later commits by itself
		synctest.Wait()
		if n := rows(t, f); n != 3 {
			t.Errorf("%d rows, want 3: nobody came, so Later must be flushed", n)
		}
	})
}

func TestFirstInFirstOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := table(t)
		var order []int
		note := func(n int) func(*Tx) error {
			return func(*Tx) error {
				order = append(order, n)
				return nil
			}
		}
		release := hold(f)
		for i := range 40 {
			if i%2 == 0 {
				f.Later(note(i))
			} else {
				go func() { _ = f.Do(context.Background(), note(i)) }()
			}
			synctest.Wait()
		}
		release()
		synctest.Wait()
		for i, n := range order {
			if i != n {
				t.Fatalf("ran in the order %v", order)
			}
		}
		if len(order) != 40 {
			t.Errorf("%d of 40 ran", len(order))
		}
	})
}

// Operations of Later survive a failed lot.
func TestLaterTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := table(t)
		f.Later(exec(insertStmt, int64(1), nil))
		if err := f.Do(t.Context(), exec(brokenStmt, int64(2))); !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
		time.Sleep(again) // of the bubble: when Later tries again
		synctest.Wait()
		if n := rows(t, f); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
	})
}

// A context that ends while the write is under way does not hide its outcome.
func TestContextEndsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := table(t)
		ctx, cancel := context.WithCancel(t.Context())
		begun, end, answer := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			answer <- f.Do(ctx, func(tx *Tx) error {
				close(begun)
				<-end
				return exec(insertStmt, int64(1), nil)(tx)
			})
		}()
		<-begun
		cancel()
		synctest.Wait()
		if len(answer) > 0 {
			t.Errorf("answered %v before the outcome was known", <-answer)
		}
		close(end)
		if err := <-answer; err != nil || rows(t, f) != 1 {
			t.Errorf("%v with %d rows; want the write applied and said so", err, rows(t, f))
		}
	})
}
