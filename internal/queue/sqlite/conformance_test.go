package sqlite

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/queue/queuetest"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T) queuetest.Fixture { return fixture(t, t.TempDir()) }
	queuetest.Run(t, open)
	queuetest.RunCrash(t, open)
	queuetest.RunEarly(t, open)
}

func lanes() map[queue.Lane]Config {
	return map[queue.Lane]Config{
		queue.Normal: {Visibility: queuetest.Visibility, MaxReceives: queuetest.MaxReceives, DeadLetter: queue.Dead},
		queue.Low:    {Visibility: queuetest.Visibility},
		queue.Dead:   {Visibility: queuetest.Visibility},
	}
}

func fixture(t *testing.T, dir string) queuetest.Fixture {
	q := open(t, dir)
	return queuetest.Fixture{
		Queue: q,
		Pump: func(l queue.Lane, batch int) queue.Pump {
			return q.Pump(l, PumpConfig{Batch: batch})
		},
		Crash: func() queuetest.Fixture { return fixture(t, afterCrash(t, dir)) },
	}
}

func open(t *testing.T, dir string) *Queue {
	t.Helper()
	f, err := sqlitefile.Open(dir, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	q, err := New(f, lanes(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// afterCrash is the folder as a process killed now would leave it.
func afterCrash(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{sqlitefile.Name, sqlitefile.Name + "-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}
