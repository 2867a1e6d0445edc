package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

//go:embed prices.json
var pricesFile []byte

// prices is prices.json.
type prices struct {
	List   string
	AsOf   string
	Prices map[string]struct {
		Dollars, Per float64
		Note         string
	}
	Assumed map[string]struct {
		Value float64
		Note  string
	}
	missing error // the last name that was asked for and is not there
}

// cost is what a million executions of a workload would cost on AWS, in
// dollars: the store's units as they were measured, memory and batch as the
// template has them, the rest by the price file.
type cost struct {
	Workload string  `json:"workload"`
	Dense    bool    `json:"dense"`
	Batch    int     `json:"batch"`  // messages per invocation of the worker
	Memory   int     `json:"memory"` // of the worker, in MB
	Store    float64 `json:"store"`
	Queue    float64 `json:"queue"`
	Compute  float64 `json:"compute"`
	API      float64 `json:"api"`
	Total    float64 `json:"total"`
}

// batches are the worker's batch sizes that are priced: the template's
// parameter BatchSize.
var batches = []string{"10", "1"}

// deployed is what the template says about a size of batches.
type deployed struct {
	batch           int
	worker, execute float64 // memory in GB
}

func readDeployed(template, batch string) (deployed, error) {
	w, err := wiring.ReadWith(template, map[string]string{"BatchSize": batch})
	if err != nil {
		return deployed{}, err
	}
	execute, _ := w.Function("execute") // ReadWith has made sure of it
	lane := w.Lanes[queue.Normal]
	return deployed{batch: lane.Batch, worker: float64(lane.Memory) / 1024, execute: float64(execute.Memory) / 1024}, nil
}

func costs(results []result, template string) ([]cost, error) {
	p, err := readPrices()
	if err != nil {
		return nil, err
	}
	var all []cost
	for _, r := range results {
		for _, batch := range batches {
			d, err := readDeployed(template, batch)
			if err != nil {
				return nil, err
			}
			all = append(all, p.million(r, d))
		}
	}
	return all, p.missing
}

func readPrices() (*prices, error) {
	var p prices
	if err := json.Unmarshal(pricesFile, &p); err != nil {
		return nil, fmt.Errorf("prices.json: %w", err)
	}
	return &p, nil
}

// price is what a million of something costs.
func (p *prices) price(name string) float64 {
	x, ok := p.Prices[name]
	if !ok || x.Per <= 0 {
		p.missing = fmt.Errorf("prices.json: no price %q", name)
		return 0
	}
	return 1e6 * x.Dollars / x.Per
}

func (p *prices) assumed(name string) float64 {
	x, ok := p.Assumed[name]
	if !ok {
		p.missing = fmt.Errorf("prices.json: nothing assumed for %q", name)
	}
	return x.Value
}

// million prices a million executions. Each is one request, one message and
// its share of one invocation, which lasts as long as the longest path of calls.
func (p *prices) million(r result, d deployed) cost {
	share := 1 / float64(d.batch)
	c := cost{
		Workload: r.Workload, Dense: r.Dense, Batch: d.batch, Memory: int(1024 * d.worker),
		Store: r.WriteUnits*p.price("dynamodb write unit") + r.ReadUnits*p.price("dynamodb read unit"),
		Queue: (1 + 2*share) * p.price("sqs request"),
		Compute: (1+share)*p.price("lambda request") +
			(d.execute*p.assumed("start seconds")+share*d.worker*p.seconds(r.workload()))*p.price("lambda GB-second"),
		API: p.price("http api request"),
	}
	c.Total = c.Store + c.Queue + c.Compute + c.API
	return c
}

// seconds is how long an execution of a workload takes.
func (p *prices) seconds(w workload) float64 {
	seconds := p.assumed("own seconds")
	for _, calls := range w.Stages {
		if calls > 0 {
			seconds += p.assumed("call seconds")
		}
	}
	return seconds
}

// workload is the result's.
func (r result) workload() workload {
	all := workloads()
	return all[slices.IndexFunc(all, func(w workload) bool { return w.Name == r.Workload })]
}

func (r report) printCosts(out io.Writer) {
	if len(r.Costs) == 0 {
		return
	}
	fmt.Fprint(out, "\nThe same on AWS, dollars per million executions (prices.json; calls of 200 ms):\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tbatch\tMB\tstore\tqueue\tcompute\tAPI\ttotal\t")
	for _, c := range r.Costs {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", title(c.Workload, c.Dense), c.Batch, c.Memory, c.Store, c.Queue, c.Compute, c.API, c.Total)
	}
	_ = t.Flush() // to a terminal, or a file that fails later
}
