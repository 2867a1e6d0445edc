package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/wiring/wiringtest"
)

const template = "../../template.yaml"

// near is equal to a tenth of a cent.
func near(a, b float64) bool { return math.Abs(a-b) < 0.001 }

// Five steps of 200 ms with eight write units, added up by hand from the list
// and the template's memory, and within what is promised: $8.25 at batch 10 and
// $12.30 at batch 1.
func TestCosts(t *testing.T) {
	t.Parallel()
	all, err := costs([]result{{Workload: "five", WriteUnits: 8}}, template)
	if err != nil {
		t.Fatal(err)
	}
	most := map[int]float64{10: 8.25, 1: 12.30}
	for i, want := range []cost{
		{Workload: "five", Batch: 10, Memory: 1024, Store: 5, Queue: 0.48, Compute: 0.22 + 0.0667 + 1.4, API: 1, Total: 8.1667},
		{Workload: "five", Batch: 1, Memory: 256, Store: 5, Queue: 1.2, Compute: 0.4 + 0.0667 + 3.5, API: 1, Total: 11.1667},
	} {
		got := all[i]
		if got.Batch != want.Batch || got.Memory != want.Memory || !near(got.Store, want.Store) || !near(got.Queue, want.Queue) ||
			!near(got.Compute, want.Compute) || !near(got.API, want.API) || !near(got.Total, want.Total) {
			t.Errorf("batch %d: %+v\nwant %+v", want.Batch, got, want)
		}
		if got.Total > most[got.Batch] {
			t.Errorf("batch %d: $%.2f, more than the $%.2f that are promised", got.Batch, got.Total, most[got.Batch])
		}
	}
	p, err := readPrices()
	if err != nil || p.AsOf == "" || p.List == "" {
		t.Errorf("prices.json: %v, as of %q", err, p.AsOf)
	}
}

// TestCostsFollowTheTemplate: another memory there is another price here.
func TestCostsFollowTheTemplate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		old, with string
		want      [2]float64
	}{
		{`"1": {MB: 256}`, `"1": {MB: 512}`, [2]float64{8.1667, 14.6667}},
		{`"10": {MB: 1024}`, `"10": {MB: 2048}`, [2]float64{9.5667, 11.1667}},
		{"    MemorySize: 512\n", "    MemorySize: 1536\n", [2]float64{8.3, 11.3}},
	} {
		all, err := costs([]result{{Workload: "five", WriteUnits: 8}}, wiringtest.Copy(t, template, c.old, c.with))
		if err != nil || !near(all[0].Total, c.want[0]) || !near(all[1].Total, c.want[1]) {
			t.Errorf("%s: %+v (%v), want %v", c.with, all, err, c.want)
		}
	}
	if _, err := costs([]result{{Workload: "five"}}, "nowhere.yaml"); err == nil || !strings.Contains(err.Error(), "nowhere.yaml") {
		t.Errorf("without a template: %v", err)
	}
}

// Elsewhere, added up by hand: the API's dollar; five transitions of $25; a
// request and 1.1 s of 64 MB; a request, 1.05 s of 256 MB and five operations of
// $8, each with 1 KB written.
func TestPeers(t *testing.T) {
	t.Parallel()
	r := report{}
	var err error
	if r.Peers, err = peers([]result{{Workload: "five"}, {Workload: "five", Dense: true}, {Workload: "noop"}}, template); err != nil {
		t.Fatal(err)
	}
	want := []peer{
		{"five", 1 + 125, 1 + 1 + 1.1461, 1 + 0.2 + 3.5 + 40 + 1.1921},
		{"noop", 1 + 125, 1 + 1 + 0.1042, 1 + 0.2 + 0.1667 + 40 + 1.1921},
	}
	if len(r.Peers) != len(want) {
		t.Fatalf("got %+v, want %+v", r.Peers, want)
	}
	for i, w := range want {
		if g := r.Peers[i]; g.Workload != w.Workload || !near(g.Standard, w.Standard) || !near(g.Express, w.Express) || !near(g.Durable, w.Durable) {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
	var shown bytes.Buffer
	if r.printPeers(&shown); !strings.Contains(shown.String(), "126.00") || !strings.Contains(shown.String(), "45.89") {
		t.Errorf("shown is %s", &shown)
	}
}

func TestAMissingPriceCountsForSomething(t *testing.T) {
	t.Parallel()
	var p prices
	p.million(result{Workload: "five"}, deployed{batch: 1})
	if p.missing == nil {
		t.Error("a price that is missing counts as nothing")
	}
}
