package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
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
}

// cost is what a million executions of a workload would cost on AWS, in
// dollars: the store's units as they were measured, the rest by the price file.
type cost struct {
	Workload string  `json:"workload"`
	Dense    bool    `json:"dense"`
	Batch    int     `json:"batch"` // messages per invocation of the worker
	Store    float64 `json:"store"`
	Queue    float64 `json:"queue"`
	Compute  float64 `json:"compute"`
	API      float64 `json:"api"`
	Total    float64 `json:"total"`
}

// batches are the worker's batch sizes that are priced.
var batches = []int{10, 1}

func costs(results []result) ([]cost, error) {
	var p prices
	if err := json.Unmarshal(pricesFile, &p); err != nil {
		return nil, fmt.Errorf("prices.json: %w", err)
	}
	var all []cost
	for _, r := range results {
		for _, batch := range batches {
			c, err := p.million(r, batch)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// million prices a million executions. Each is one request, one message and
// its share of one invocation, which lasts as long as the longest path of calls.
func (p prices) million(r result, batch int) (cost, error) {
	var missing error
	price := func(name string) float64 {
		x, ok := p.Prices[name]
		if !ok || x.Per <= 0 {
			missing = fmt.Errorf("prices.json: no price %q", name)
			return 0
		}
		return 1e6 * x.Dollars / x.Per
	}
	assumed := func(name string) float64 {
		x, ok := p.Assumed[name]
		if !ok {
			missing = fmt.Errorf("prices.json: nothing assumed for %q", name)
		}
		return x.Value
	}
	share := 1 / float64(batch)
	seconds := assumed("own seconds")
	for _, calls := range r.stages() {
		if calls > 0 {
			seconds += assumed("call seconds")
		}
	}
	memory := assumed(fmt.Sprintf("worker GB, batch %d", batch))
	c := cost{
		Workload: r.Workload, Dense: r.Dense, Batch: batch,
		Store: r.WriteUnits*price("dynamodb write unit") + r.ReadUnits*price("dynamodb read unit"),
		Queue: (1 + 2*share) * price("sqs request"),
		Compute: (1+share)*price("lambda request") +
			(assumed("execute GB")*assumed("start seconds")+share*memory*seconds)*price("lambda GB-second"),
		API: price("http api request"),
	}
	c.Total = c.Store + c.Queue + c.Compute + c.API
	return c, missing
}

// stages are those of the result's workload.
func (r result) stages() []int {
	for _, w := range workloads() {
		if w.Name == r.Workload {
			return w.Stages
		}
	}
	return nil
}

func (r report) printCosts(out io.Writer) {
	if len(r.Costs) == 0 {
		return
	}
	fmt.Fprint(out, "\nThe same on AWS, dollars per million executions (prices.json; calls of 200 ms):\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tbatch\tstore\tqueue\tcompute\tAPI\ttotal\t")
	for _, c := range r.Costs {
		fmt.Fprintf(t, "%s\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", title(c.Workload, c.Dense), c.Batch, c.Store, c.Queue, c.Compute, c.API, c.Total)
	}
	_ = t.Flush() // to a terminal, or a file that fails later
}
