package sim

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var planted = flag.Bool("planted", false, "build every planted bug, not only the one that is found at once")

// plant is a bug for the simulation to find: today's source with one guard
// taken out.
type plant struct {
	name     string
	file     string // under internal
	old, new string
	soon     bool // a few seeds find it
}

var plants = []plant{
	{
		"a message that meets a live lease is dropped", "runner/lease.go",
		"		return false, r.send(ctx, laneOf(old), hint, r.until(old.LeaseUntil+3000))\n",
		"		return false, nil\n", false,
	},
	{
		"the wake-up is sent before the release is written", "runner/finish.go",
		"	x.bill(&w)\n	_, err := x.r.write(x.ctx, w, w.Set[record.AtOwner].Str())\n	unknown := errors.Is(err, table.ErrUnknown)\n",
		"	x.bill(&w)\n	if !far {\n		early := record.Message{PK: x.pk, Run: x.meta.Run, Epoch: x.epoch, Why: record.WhyTimer}\n" +
			"		if err := x.r.send(x.ctx, x.releaseLane(handover), early, x.releaseDelay(nd, handover)); err != nil {\n			return err\n		}\n		far = true\n	}\n" +
			"	_, err := x.r.write(x.ctx, w, w.Set[record.AtOwner].Str())\n	unknown := errors.Is(err, table.ErrUnknown)\n", false,
	},
	{
		"the release is unconditional", "runner/finish.go",
		"	w := x.fencedWrite(st)\n	w.Set[record.AtNextDue] = table.Int(nd)\n",
		"	w := x.fencedWrite(st)\n	w.If = table.IfPresent()\n	w.Set[record.AtNextDue] = table.Int(nd)\n", false,
	},
	{
		"ends and releases do not look at the signal count", "runner/finish.go",
		"	return table.All(equals(record.AtEpoch, x.epoch), equals(record.AtSignals, x.meta.Signals))\n",
		"	return table.All(equals(record.AtEpoch, x.epoch))\n", false,
	},
	{
		"a write of one's own is not known again", "runner/runner.go",
		"			if owner != \"\" && old[record.AtOwner].Str() == owner {\n",
		"			if false {\n", true,
	},
	{
		"a late outcome overwrites the first", "runner/checkpoint.go",
		"	cond := table.Cond{{absent}, {open}}\n",
		"	cond := table.Always()\n", false,
	},
	{
		"the last outcome rides on the end after a takeover", "runner/finish.go",
		"	if last != nil && !x.meta.Takeover {\n",
		"	if last != nil {\n", false,
	},
	{
		"a takeover forgets what is in doubt", "runner/lease.go",
		"	x.doubtUntil = old.LeaseUntil\n",
		"", false,
	},
	{
		"the body of a callback is marked before it is stored", "runner/signal.go",
		"	if err := r.putSignal(ctx, m, t, body); err != nil {\n		return unavailable(err)\n	}\n	return r.mark(ctx, pk, t)\n",
		"	if err := r.mark(ctx, pk, t); err != nil {\n		return err\n	}\n	return unavailable(r.putSignal(ctx, m, t, body))\n", false,
	},
	{
		"a task that could not be told counts as answered", "runner/task.go",
		"	case err != nil:\n		return err\n	}\n	return r.closeTask(ctx, m.PK, why)\n",
		"	}\n	return r.closeTask(ctx, m.PK, why)\n", false,
	},
	{
		"a task hears of the latest run", "runner/task_sweep.go",
		"	if m.Run == 1 {\n		return m, nil\n	}\n	return r.Earlier(ctx, m, 1)\n",
		"	return m, nil\n", false,
	},
}

// TestPlantedBugsApply keeps the planted bugs in step with the source: each
// must still change exactly one place.
func TestPlantedBugsApply(t *testing.T) {
	t.Parallel()
	for _, p := range plants {
		if _, err := p.patched(); err != nil {
			t.Error(err)
		}
	}
}

func (p plant) path() (string, error) {
	return filepath.Abs(filepath.Join("..", filepath.FromSlash(p.file)))
}

// patched is the source with the bug in it.
func (p plant) patched() ([]byte, error) {
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(src), p.old); n != 1 {
		return nil, fmt.Errorf("%s: the place to change in %s is there %d times, it must be there once", p.name, p.file, n)
	}
	return []byte(strings.Replace(string(src), p.old, p.new, 1)), nil
}

// found is the line with which a simulation reports a broken promise.
var found = regexp.MustCompile(`seed (\d+) \((\w+)\): [^:]*: (.*)`)

// TestPlantedBugsAreFound builds each bug into the simulation and lets it run
// until it fails, within the 5,000 default seeds. Each takes a build of its own
// and up to a minute, so that all are for -planted (make planted).
func TestPlantedBugsAreFound(t *testing.T) {
	for _, p := range plants {
		if !*planted && !p.soon {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			binary := p.build(t)
			run := exec.CommandContext(t.Context(), binary, "-test.run=^TestSim$", "-test.timeout=15m", "-seeds=5000", "-trace=1")
			out, err := run.CombinedOutput()
			m := found.FindSubmatch(out)
			if err == nil || m == nil {
				t.Fatalf("5000 seeds do not find it (%v):\n%s", err, out)
			}
			t.Logf("found by seed %s (%s): %s", m[1], m[2], m[3])
		})
	}
}

// build compiles this test with the bug in the runner.
func (p plant) build(t *testing.T) string {
	dir := t.TempDir()
	src, err := p.patched()
	if err != nil {
		t.Fatal(err)
	}
	original, err := p.path()
	if err != nil {
		t.Fatal(err)
	}
	changed, overlay, binary := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim.test")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{changed: src, overlay: replace} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building it: %v\n%s", err, out)
	}
	return binary
}
