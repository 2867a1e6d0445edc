package proof

import (
	"context"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/sqlite"
)

var rounds = flag.Int("rounds", 2, "how often the program is killed; the claim is for 10")

// 500 executions run, the program dies by SIGKILL, and starts again: all of
// them succeed within 30 s, and no step that was checkpointed before is called
// again.
func TestKilledInTheMiddle(t *testing.T) {
	for round := range *rounds {
		killRound(t, round)
	}
}

func killRound(t *testing.T, round int) {
	const executions = 500
	data := t.TempDir()
	called := calledtest.New(t, 20*time.Millisecond)
	first := launch(t, data)
	first.register(calledtest.Five("five", called.URL, ""))
	ids := first.startMany(executions, 50, "five")
	if len(ids) != executions {
		t.Fatalf("round %d: %d of %d starts were acknowledged", round, len(ids), executions)
	}
	// Each round dies at another point of the work.
	called.Until(t, executions*(round%5+1)/4)
	first.kill()

	checkpointed, open := checkpoints(t, data, ids)
	before := called.Snapshot()
	at := time.Now()
	second := launch(t, data)
	ends := second.awaitAll(ids, 30*time.Second)
	took := time.Since(at)
	if ends["succeeded"] != executions {
		t.Fatalf("round %d: %v after the restart, %d succeeded wanted", round, ends, executions)
	}
	again := 0
	for key, n := range called.Snapshot() {
		switch {
		case checkpointed[key] && n > before[key]:
			t.Errorf("round %d: %s was checkpointed before the kill and called again", round, key)
		case n > 1:
			again++
		}
	}
	if len(checkpointed) == 0 || open < executions/2 {
		t.Fatalf("round %d: %d steps were checkpointed and %d executions open at the kill, so it was not in the middle", round, len(checkpointed), open)
	}
	t.Logf("round %d: at the kill %d executions were open and %d steps checkpointed; %d in doubt were called twice, all %d succeeded %s after the restart",
		round, open, len(checkpointed), again, executions, took.Round(time.Millisecond))
	second.stop()
}

// checkpoints reads from the dead program's file which steps have their
// outcome, by their idempotency keys, and how many executions are open.
func checkpoints(t *testing.T, data string, ids []string) (steps map[string]bool, open int) {
	t.Helper()
	f, err := sqlitefile.Open(data, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tbl, err := sqlite.New(f)
	if err != nil {
		t.Fatal(err)
	}
	steps = map[string]bool{}
	for _, id := range ids {
		page, err := tbl.Query(context.Background(), table.Query{PK: record.PK("default", id), Strong: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Items {
			if step, ok := strings.CutPrefix(it.SK, record.StepPrefix(1)); ok && record.State(it.Attrs["k"].Str()) == record.Done {
				steps[id+"/"+step] = true
			}
			if it.SK == "0" && !record.Status(it.Attrs[record.AtStatus].Str()).Terminal() {
				open++
			}
			if lo := it.Attrs[record.AtLast].Bytes(); it.SK == "0" && len(lo) > 0 {
				s, err := record.DecodeLast(lo)
				if err != nil {
					t.Fatal(err)
				}
				steps[id+"/"+s.ID] = true
			}
		}
	}
	return steps, open
}
