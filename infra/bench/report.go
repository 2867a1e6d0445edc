package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"text/tabwriter"
	"time"
)

// report is all of a run, as -json writes it.
type report struct {
	At      time.Time `json:"at"`
	Commit  string    `json:"commit,omitempty"`
	Go      string    `json:"go"`
	System  string    `json:"system"`
	CPUs    int       `json:"cpus"`
	Clients int       `json:"clients"`
	Seconds float64   `json:"seconds"` // under load, of each side of each workload
	Idle    int       `json:"idleExecutions"`
	Disk    disk      `json:"rawFsync"`
	Results []result  `json:"workloads"`
	Acks    []acks    `json:"acknowledgements,omitempty"`
	Costs   []cost    `json:"dollarsPerMillion"`
	Peers   []peer    `json:"dollarsPerMillionElsewhere"`
}

func newReport(p plan, now time.Time) report {
	r := report{
		At: now.UTC(), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(),
		Clients: p.Clients, Seconds: (time.Duration(p.Rounds) * p.Load).Seconds(), Idle: p.Rounds * p.Idle,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				r.Commit = s.Value
			}
		}
	}
	return r
}

// inMemory is a rate of fsync that no disk reaches.
const inMemory = 100_000

// print shows the report to a person.
func (r report) print(out io.Writer) {
	fmt.Fprintf(out, "\n%d CPUs, %s, %s. Raw fsync: %.0f/s, p50 %.2f ms, p99 %.2f ms.\n", r.CPUs, r.System, r.Go, r.Disk.PerSecond, r.Disk.P50, r.Disk.P99)
	if r.Disk.PerSecond > inMemory {
		fmt.Fprintln(out, "This folder seems to be in memory, where an fsync costs nothing; choose another by -dir.")
	}
	r.printWorkloads(out)
	r.printAcks(out)
	r.printCosts(out)
	r.printPeers(out)
}

func (r report) printWorkloads(out io.Writer) {
	if len(r.Results) == 0 {
		return
	}
	fmt.Fprintf(out, "Latency of one client over %d executions, the rest under %d clients for %.0f s; CPU, fsyncs and bytes are per execution.\n\n", r.Idle, r.Clients, r.Seconds)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tp50 ms\tp99 ms\tper s\tCPU ms\tfsyncs\twhen idle\tKB on disk\twrite units\tread units\t")
	for _, w := range r.Results {
		fmt.Fprintf(t, "%s\t\t\t\t\t\t\t\t\t\t\n", title(w.Workload, w.Dense))
		e := w.Engine
		fmt.Fprintf(t, "engine\t%.2f\t%.2f\t%.0f\t%.2f\t%.2f\t%.1f\t%.1f\t%.2f\t%.2f\t\n", e.P50, e.P99, e.PerSecond, e.CPU, e.Syncs, e.SyncsIdle, e.Bytes/1024, w.WriteUnits, w.ReadUnits)
		b := w.Bare
		fmt.Fprintf(t, "bare loop\t%.2f\t%.2f\t%.0f\t%.2f\t%.2f\t%.1f\t%.1f\t\t\t\n", b.P50, b.P99, b.PerSecond, b.CPU, b.Syncs, b.SyncsIdle, b.Bytes/1024)
		if c := w.Calls; c != nil {
			fmt.Fprintf(t, "calls alone\t%.2f\t%.2f\t%.0f\t%.2f\t\t\t\t\t\t\n", c.P50, c.P99, c.PerSecond, c.CPU)
		}
		fmt.Fprintf(t, "engine / bare loop\t%.2f\t\t%.2f\t\t\t\t\t\t\t\n", w.Latency, w.Throughput)
	}
	_ = t.Flush() // to a terminal, or a file that fails later
}

// write stores the report as JSON.
func (r report) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}
