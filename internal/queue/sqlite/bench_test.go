package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
)

// BenchmarkSendToHandler is an idle queue: from Send to the handler's start.
func BenchmarkSendToHandler(b *testing.B) {
	f, err := sqlitefile.Open(b.TempDir(), sqlitefile.Options{Preallocate: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	q, err := New(f, lanes(), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	started, ended := make(chan struct{}), make(chan error)
	go func() {
		ended <- q.Pump(queue.Normal, PumpConfig{Batch: 10}).Run(ctx, func(context.Context, []queue.Delivery) []string {
			started <- struct{}{}
			return nil
		})
	}()
	m := []queue.Message{{Body: make([]byte, 100), Lane: queue.Normal}}
	for b.Loop() {
		go q.Send(ctx, m)
		<-started
	}
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
