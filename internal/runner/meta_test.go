package runner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// idsOfRealLength has the queue give ids as long as a UUID, as SQS does. META
// carries its lease's message's.
func (w *world) idsOfRealLength() { w.queue.pad = strings.Repeat("-", 34) }

// sized is a table that measures every META it is given.
type sized struct {
	table.Table
	t    *testing.T
	most int
}

func (s *sized) Write(ctx context.Context, wr table.Write) (table.Attrs, error) {
	image, err := s.Table.Write(ctx, wr)
	if _, _, ok := record.SplitPK(wr.Key.PK); ok && wr.Key.SK == "0" && err == nil {
		n := table.ItemSize(wr.Key, image)
		if s.most = max(s.most, n); n > record.MaxMeta {
			s.t.Errorf("META of %d bytes after %s: %v", n, kindOf(wr), image)
		}
	}
	return image, err
}

// Every update of META bills all of it, so it keeps within 1 KB whatever goes
// into it: the longest names, the most tags, inputs and outputs about the size
// at which they move out, errors that take the most room, and signals.
func TestMetaStaysWithinItsBound(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 9))
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz0123456789<>&\"\\"[rnd.IntN(41)]
		}
		return string(b)
	}
	for n := range 60 {
		oneWorld(t, func(w *world) {
			s := &sized{Table: w.store, t: w.t}
			w.store = s
			w.idsOfRealLength()
			name, long := strings.Repeat("n", 1+rnd.IntN(63)), "c"+strings.Repeat("x", rnd.IntN(64))
			w.document(fmt.Sprintf(`
name: %s
steps:
  - {id: a, type: http, request: {url: "http://there/a"}, retry: {strategy: fixed, initial: 20m, max: 20m, attempts: 2, jitter: none}, needs: []}
  - {id: %s, type: callback, needs: []}
  - {id: z, type: http, request: {url: "http://there/z"}, needs: [a, %[2]s]}
output: {z: "{{ steps.z.output }}"}
`, name, long))
			quoted := func(n int) string { b, _ := json.Marshal(text(n)); return string(b) }
			w.answers("a", answer{fails: "upstream"}, answer{})
			last := answer{output: quoted(rnd.IntN(900))}
			if n%3 == 0 {
				last = answer{fails: "client_error", says: text(400)}
			}
			w.answers("z", last)
			api := w.process("api")
			q := runner.StartRequest{
				Workflow: name, Input: json.RawMessage(quoted(200 + rnd.IntN(300))), Key: "k", Priority: queue.High,
				Tags: map[string]string{"t": strings.Repeat("g", rnd.IntN(240))}, Delay: time.Duration(rnd.IntN(2)) * time.Hour,
				Task: &runner.TaskRequest{Token: "t"},
			}
			started, err := api.start(q)
			if err != nil {
				w.t.Fatal(err)
			}
			w.lambda()
			w.cron()
			w.until("both wait", 3*time.Hour, func() bool { return w.status(started.ID) == record.Waiting })
			w.accepted("pause", api.pause(started.ID))
			w.accepted("the callback", api.callback(started.ID, long, `1`))
			w.accepted("resume", api.resume(started.ID))
			w.ends(started.ID, 3*time.Hour)
			if n%4 == 0 {
				if err := api.retry(started.ID, ""); err == nil {
					w.ends(started.ID, 3*time.Hour)
				}
			}
		})
	}
}

// The most that a name, tags and an input may bring along, together with a long
// step's error and all that a takeover leaves behind.
func TestMetaStaysWithinItsBoundWithAllAtTheirLongest(t *testing.T) {
	for size := 250; size <= 380; size += 10 {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := &sized{Table: w.store, t: t}
				w.store = s
				w.idsOfRealLength()
				name, step := strings.Repeat("n", 63), strings.Repeat("s", 64)
				w.document("name: " + name + "\nsteps:\n  - {id: " + step + ", type: http, request: {url: \"http://there/a\"}, retry: none, when: \"input.x + 1 > 2\"}\n")
				api, dying, worker := w.process("api"), w.process("dying"), w.process(strings.Repeat("p", 26))
				started, err := api.start(runner.StartRequest{
					Workflow: name, Input: json.RawMessage(fmt.Sprintf(`{"x":%q}`, bulky(3)[20:20+size])), Priority: queue.High,
					Tags: map[string]string{"k": strings.Repeat("v", 248)}, Task: &runner.TaskRequest{Token: "t"},
				})
				w.accepted("start", err)
				w.when(dying, at("finish"), diesBefore)
				dying.take(w.message(started.ID)).wait()
				w.pass(100 * time.Second)
				worker.take(w.message(started.ID)).wait()
				worker.take(w.message(started.ID)).wait() // which it has sent to solo
				if m := w.ends(started.ID, 0); m.Status != record.Failed || m.Error == nil {
					t.Errorf("it ends as %s with %v, want failed with an error", m.Status, m.Error)
				}
			})
		})
	}
}

// What is not needed any more gives way to the error's text.
func TestTheEndsErrorIsToldWhereMarksFillMeta(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var doc strings.Builder
		doc.WriteString("name: many\nsteps:\n")
		for n := range 30 {
			fmt.Fprintf(&doc, "  - {id: %s%02d, type: callback, needs: []}\n", strings.Repeat("s", 40), n)
		}
		w.document(doc.String())
		w.lambda()
		w.cron()
		api := w.process("api")
		started, err := api.start(runner.StartRequest{Workflow: "many", Tags: map[string]string{"t": strings.Repeat("g", 240)}})
		w.accepted("start", err)
		w.until("it waits", time.Minute, func() bool { return w.status(started.ID) == record.Waiting })
		w.accepted("pause", api.pause(started.ID))
		w.until("it is paused", time.Minute, func() bool { return w.status(started.ID) == record.Paused })
		for n := range 30 {
			w.accepted("a callback", api.callback(started.ID, fmt.Sprintf("%s%02d", strings.Repeat("s", 40), n), `1`))
		}
		w.accepted("cancel", api.cancel(started.ID))
		if m := w.ends(started.ID, time.Minute); m.Error == nil || m.Error.Message != "cancelled on request" {
			t.Errorf("its error is %+v, want its text whole", m.Error)
		}
	})
}
