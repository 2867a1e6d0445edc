package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
)

func send(t *testing.T, q *Queue, bodies ...string) {
	t.Helper()
	ms := make([]queue.Message, len(bodies))
	for i, b := range bodies {
		ms[i] = queue.Message{Body: []byte(b), Lane: queue.Normal}
	}
	for _, err := range q.Send(t.Context(), ms) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// start runs a pump until stop, which returns how long Run took to end.
func start(t *testing.T, p *Pump, h queue.Handler) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, h) }()
	var once sync.Once
	stop = func() (took time.Duration) {
		once.Do(func() {
			began := time.Now()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			took = time.Since(began)
		})
		return took
	}
	t.Cleanup(func() { stop() })
	return stop
}

// pass lets time go by, and everything that is due then happen.
func pass(d time.Duration) {
	time.Sleep(d) // of the bubble
	synctest.Wait()
}

func bubble(t *testing.T, test func(t *testing.T, q *Queue)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, open(t, t.TempDir())) })
}

func TestPanicFailsTheBatch(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		var reported any
		calls := 0
		p := q.Pump(queue.Normal, PumpConfig{Batch: 10, OnPanic: func(v any, stack []byte) {
			if reported = v; !strings.Contains(string(stack), "pump_test.go") {
				t.Errorf("the stack does not show the handler: %s", stack)
			}
		}})
		start(t, p, func(_ context.Context, ds []queue.Delivery) []string {
			if calls++; calls == 1 {
				panic("boom")
			}
			return nil
		})
		send(t, q, "a", "b")
		pass(29 * time.Second)
		if reported != "boom" || calls != 1 {
			t.Errorf("reported %v after %d calls", reported, calls)
		}
		if _, inFlight, _, _ := q.Depth(t.Context(), queue.Normal); inFlight != 2 {
			t.Errorf("%d in flight, want both", inFlight)
		}
		pass(2 * time.Second)
		if calls != 2 {
			t.Errorf("%d calls, want the batch again after its visibility", calls)
		}
	})
}

func TestTimeoutAndDrain(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		var ended []time.Duration
		wait := func(ctx context.Context, ds []queue.Delivery) []string {
			began := time.Now()
			<-ctx.Done()
			ended = append(ended, time.Since(began))
			return []string{ds[0].ID}
		}
		p := q.Pump(queue.Normal, PumpConfig{Timeout: 20 * time.Second, Drain: 5 * time.Second})
		stop := start(t, p, wait)
		send(t, q, "a")
		pass(25 * time.Second)
		send(t, q, "b")
		pass(3 * time.Second)
		if took := stop(); took != 5*time.Second {
			t.Errorf("Run ended %s after its context, want its drain of 5s", took)
		}
		if fmt.Sprint(ended) != "[20s 8s]" {
			t.Errorf("handlers' contexts ended after %v, want the timeout of 20s and the drain after 8s", ended)
		}
	})
}

func TestConcurrency(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		var mu sync.Mutex
		now, most, batches := 0, 0, 0
		p := q.Pump(queue.Normal, PumpConfig{Batch: 4, Concurrency: 6})
		start(t, p, func(_ context.Context, ds []queue.Delivery) []string {
			mu.Lock()
			now, batches = now+len(ds), batches+1
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second) // of the bubble: the work, so that invocations overlap
			mu.Lock()
			now -= len(ds)
			mu.Unlock()
			return nil
		})
		for range 3 {
			send(t, q, strings.Split("abcdefgh", "")...)
		}
		pass(time.Minute)
		if v, f, _, _ := q.Depth(t.Context(), queue.Normal); most != 6 || v+f != 0 {
			t.Errorf("at most %d at once, want 6; %d left", most, v+f)
		}
		if batches > 12 {
			t.Errorf("24 messages took %d invocations", batches)
		}
	})
}

func TestWindow(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		began := time.Now()
		var got []string
		p := q.Pump(queue.Normal, PumpConfig{Batch: 3, Window: 10 * time.Second})
		start(t, p, func(_ context.Context, ds []queue.Delivery) []string {
			got = append(got, fmt.Sprint(len(ds), " after ", time.Since(began)))
			return nil
		})
		send(t, q, "a")
		pass(4 * time.Second)
		send(t, q, "b") // the window is counted from the first
		pass(10 * time.Second)
		send(t, q, "c", "d", "e", "f") // a full batch goes at once
		pass(time.Minute)
		if want := "[2 after 10s 3 after 14s 1 after 24s]"; fmt.Sprint(got) != want {
			t.Errorf("batches of %v, want %v", got, want)
		}
	})
}

func TestRunTwice(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		p := q.Pump(queue.Normal, PumpConfig{})
		stop := start(t, p, func(context.Context, []queue.Delivery) []string { return nil })
		synctest.Wait()
		if err := p.Run(t.Context(), nil); err == nil {
			t.Error("a pump that runs was started again")
		}
		stop()
		stop = start(t, p, func(context.Context, []queue.Delivery) []string { return nil })
		send(t, q, "a")
		synctest.Wait()
		stop()
		if v, f, _, _ := q.Depth(t.Context(), queue.Normal); v+f != 0 {
			t.Errorf("%d left: it did not run again", v+f)
		}
	})
}

func TestRetention(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		send(t, q, "a")
		pass(DefaultRetention - time.Hour)
		send(t, q, "b")
		pass(time.Hour + purgeEvery)
		synctest.Wait()
		if v, _, _, _ := q.Depth(t.Context(), queue.Normal); v != 1 {
			t.Errorf("%d visible, want the younger only", v)
		}
	})
}

// The handler's first durable write cannot precede the count of its receive.
func TestReceiveIsCountedFirst(t *testing.T) {
	bubble(t, func(t *testing.T, q *Queue) {
		p := q.Pump(queue.Normal, PumpConfig{})
		counted := -1
		start(t, p, func(ctx context.Context, ds []queue.Delivery) []string {
			err := q.file.Do(ctx, func(tx *sqlitefile.Tx) error {
				return tx.Query(sqlitefile.NewStmt(`SELECT receives FROM message`), func(row []driver.Value) bool {
					counted = int(row[0].(int64))
					return true
				})
			})
			if err != nil {
				t.Error(err)
			}
			return nil
		})
		send(t, q, "a")
		pass(time.Second)
		if counted != 1 {
			t.Errorf("the handler's write found %d receives, want 1", counted)
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"visibility":  {Config{Visibility: 13 * time.Hour}, "visibility"},
		"negative":    {Config{MaxReceives: -1}, "receives"},
		"retention":   {Config{Retention: time.Second}, "retention"},
		"dead letter": {Config{MaxReceives: 3, DeadLetter: "nowhere"}, "dead-letter"},
		"itself":      {Config{MaxReceives: 3, DeadLetter: queue.Normal}, "dead-letter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := sqlitefile.Open(t.TempDir(), sqlitefile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, err = New(f, map[queue.Lane]Config{queue.Normal: c.config}, time.Now)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "normal") {
				t.Errorf("got %v, want the lane and %q", err, c.want)
			}
		})
	}
}

func TestLaneTakenAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := open(t, dir)
	send(t, q, "a")
	f, err := sqlitefile.Open(afterCrash(t, dir), sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = New(f, map[queue.Lane]Config{queue.Low: {}}, time.Now)
	if err == nil || !strings.Contains(err.Error(), `1 in lane "normal"`) {
		t.Errorf("got %v, want how many messages nobody would receive", err)
	}
}
