package runner_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// mute is a queue that does not answer.
type mute struct{ queue.Queue }

func (mute) Send(ctx context.Context, _ []queue.Message) []error {
	<-ctx.Done()
	return []error{queue.ErrUnknown}
}

// prompt is a table that writes nothing for whoever has no time left.
type prompt struct{ table.Table }

func (p prompt) Write(ctx context.Context, w table.Write) (table.Attrs, error) {
	if ctx.Err() != nil {
		return nil, table.ErrBusy
	}
	return p.Table.Write(ctx, w)
}

// A queue that is silent, and not only in trouble, keeps no start from its due
// entry, by which the next sweep sends for it.
func TestAStartOutlivesASilentQueue(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.document(oneStep)
		api := w.process("api", func(c *runner.Config) { c.Queue, c.Table = mute{c.Queue}, prompt{c.Table} })
		id := api.begins("one")
		if m := w.meta(id); m.DuePK == "" || m.DueAt > time.Now().UnixMilli() {
			t.Fatalf("due at %d in %q, want it due now", m.DueAt, m.DuePK)
		}
		w.accepted("a sweep", w.process("sweeper").sweep())
		w.lambda()
		w.succeeds(id, time.Minute, `{"a":{"from":"a"}}`)
	})
}
