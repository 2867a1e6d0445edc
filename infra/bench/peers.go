package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// peer is what a million executions of a workload would cost elsewhere on AWS,
// in dollars.
type peer struct {
	Workload string  `json:"workload"`
	Standard float64 `json:"stepFunctionsStandard"`
	Express  float64 `json:"stepFunctionsExpress"`
	Durable  float64 `json:"lambdaDurableFunctions"`
}

// peers prices the same work, in the favour of the others where a rule could be
// read in two ways: Step Functions make the calls themselves, by HTTP tasks, and
// only their steps count as transitions or durable operations. Each execution is
// started by a request to the same HTTP API. What is stored is left out, there
// as here.
func peers(results []result, template string) ([]peer, error) {
	p, err := readPrices()
	if err != nil {
		return nil, err
	}
	one, err := readDeployed(template, "1") // a durable function runs one execution at a time
	if err != nil {
		return nil, err
	}
	var all []peer
	for _, r := range results {
		if r.Dense {
			continue // what an answer compresses to is no matter there
		}
		w := r.workload()
		steps, seconds, api := float64(len(w.steps)), p.seconds(w), p.price("http api request")
		billed := math.Ceil(math.Round(1e6*seconds)/1e5) / 10 // begun tenths
		all = append(all, peer{
			Workload: r.Workload,
			Standard: api + steps*p.price("step functions transition"),
			Express:  api + p.price("express request") + billed*p.assumed("express GB")*p.price("express GB-second"),
			Durable: api + p.price("lambda request") + one.worker*seconds*p.price("lambda GB-second") +
				steps*(p.price("durable operation")+float64(bodySize)/(1<<30)*p.price("durable GB written")),
		})
	}
	return all, p.missing
}

func (r report) printPeers(out io.Writer) {
	if len(r.Peers) == 0 {
		return
	}
	fmt.Fprint(out, "\nElsewhere, the same work and the same list:\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tStep Functions Standard\tStep Functions Express\tLambda durable functions\t")
	for _, c := range r.Peers {
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f\t\n", c.Workload, c.Standard, c.Express, c.Durable)
	}
	_ = t.Flush() // to a terminal, or a file that fails later
}
