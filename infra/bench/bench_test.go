package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// The test binary is the children too.
func TestMain(m *testing.M) {
	if os.Getenv(asChild) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestMeasure runs everything once, shortly: what must hold on any machine is
// in the figures, and the JSON says what the table says.
func TestMeasure(t *testing.T) {
	t.Parallel()
	o := options{
		plan: plan{Clients: 4, Rounds: 2, Idle: 2, Load: 20 * time.Millisecond, Raw: 10 * time.Millisecond, Acks: 250 * time.Millisecond},
		dir:  t.TempDir(), template: template, profile: t.TempDir(),
	}
	for _, w := range workloads() {
		o.only = append(o.only, w.title())
	}
	o.only = append(o.only, webhook)
	var progress bytes.Buffer
	r, err := measure(t.Context(), o, &progress)
	if err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	if len(r.Results) != len(workloads()) || len(r.Costs) != len(batches)*len(workloads()) {
		t.Fatalf("%d results and %d costs for %d workloads", len(r.Results), len(r.Costs), len(workloads()))
	}
	for i, w := range workloads() {
		checkResult(t, w, r.Results[i])
	}
	if len(r.Acks) != 2 || r.Acks[0].Pace == "" || r.Acks[1].Pace != "" {
		t.Errorf("acknowledgements: %+v", r.Acks)
	}
	for _, a := range r.Acks {
		if !(a.P50 > 0 && a.P99 >= a.P50 && a.Max >= a.P99 && a.PerSecond > 0 && a.CPU > 0) {
			t.Errorf("acknowledgements: %+v", a)
		}
	}
	left, err := os.ReadDir(o.dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the folder: %v %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(o.profile, "five.cpu.pprof")); err != nil {
		t.Error(err)
	}
	checkReport(t, r)
}

func checkResult(t *testing.T, w workload, r result) {
	t.Helper()
	if r.Workload != w.Name || r.Dense != w.Dense {
		t.Errorf("%s stands where %s should", title(r.Workload, r.Dense), w.title())
	}
	if (r.Calls != nil) != (w.calls() > 0) {
		t.Errorf("%s: calls alone: %v", w.title(), r.Calls)
	}
	for name, v := range map[string]float64{
		"engine p50": r.Engine.P50, "engine p99": r.Engine.P99, "engine rate": r.Engine.PerSecond, "engine CPU": r.Engine.CPU,
		"engine bytes": r.Engine.Bytes, "bare p50": r.Bare.P50, "bare rate": r.Bare.PerSecond, "bare CPU": r.Bare.CPU,
		"bare bytes": r.Bare.Bytes, "throughput": r.Throughput, "latency": r.Latency, "write units": r.WriteUnits,
	} {
		if !(v > 0) || math.IsInf(v, 0) {
			t.Errorf("%s: %s is %v", w.title(), name, v)
		}
	}
	if w.title() == "five" && r.WriteUnits != 8 {
		t.Errorf("five steps cost %v write units; 8 are promised", r.WriteUnits)
	}
	// Commits of calls side by side may be one or several. The engine's
	// acknowledgements may take commits of their own on a slow machine.
	if want := float64(sequence(w)); w.Name != "fan" && (r.Bare.SyncsIdle != want || r.Engine.SyncsIdle < want) {
		t.Errorf("%s: %v commits of the engine and %v of the bare loop per execution; want %v", w.title(), r.Engine.SyncsIdle, r.Bare.SyncsIdle, want)
	}
}

func sequence(w workload) int {
	n := opening + len(w.Stages)
	if w.Dense {
		n++
	}
	return n
}

func checkReport(t *testing.T, r report) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "figures.json")
	if err := r.write(path); err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back report
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	if err := d.Decode(&back); err != nil {
		t.Fatal(err)
	}
	var fromMemory, fromFile bytes.Buffer
	r.print(&fromMemory)
	back.print(&fromFile)
	if fromMemory.String() != fromFile.String() {
		t.Errorf("the table of the file differs:\n%s\n%s", &fromMemory, &fromFile)
	}
	for _, w := range workloads() {
		if !strings.Contains(fromMemory.String(), w.title()) {
			t.Errorf("%s is not in the table", w.title())
		}
	}
}

// The bodies are what the workloads say: 1 KB, and the documents are valid.
func TestWorkloads(t *testing.T) {
	t.Parallel()
	for _, w := range workloads() {
		if b, err := json.Marshal(body(w.Dense)); err != nil || len(b) != bodySize {
			t.Errorf("%s: a body of %d bytes, %v; want %d", w.title(), len(b), err, bodySize)
		}
		doc, err := workflow.Parse(w.document("http://127.0.0.1:1"))
		if err != nil {
			t.Fatalf("%s: %v", w.title(), err)
		}
		calls := 0
		for _, s := range doc.Steps {
			if s.Type == workflow.HTTP {
				calls++
			}
		}
		if calls != w.calls() {
			t.Errorf("%s: %d calls in the document, %d in the skeleton", w.title(), calls, w.calls())
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string // "": no error
	}{
		{nil, ""}, {[]string{"-quick", "-only", "noop,five-dense"}, ""},
		{[]string{"-only", "six"}, `no workload "six"`}, {[]string{"more"}, `unexpected argument "more"`}, {[]string{"-fast"}, "not defined"},
	} {
		_, err := parse(c.args, &bytes.Buffer{})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}

// What cannot work is said before anything is measured.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want, o := range map[string]options{
		"":      {dir: dir, json: filepath.Join(dir, "figures.json")},
		"-dir ": {dir: filepath.Join(dir, "absent")},
		"-json": {dir: dir, json: filepath.Join(dir, "absent", "figures.json")},
	} {
		if err := o.check(); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i)
	}
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{0, 0}, {0.5, 50}, {0.99, 99}, {1, 99}} {
		if got := quantile(hundred, c.q); got != c.want {
			t.Errorf("quantile %v: %v, want %v", c.q, got, c.want)
		}
	}
	if quantile(nil, 0.5) != 0 {
		t.Error("of nothing: 0")
	}
}
