package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// workload is a workflow and its skeleton of calls and commits.
type workload struct {
	Name  string
	About string
	// Stages are the parallel calls of each step in sequence, each followed by
	// its commit. A stage of none is a commit alone.
	Stages []int
	// Dense answers do not compress, so that the last one does not fit beside
	// the end and takes a commit of its own.
	Dense bool
	// steps is the workflow's list of steps.
	steps []map[string]any
}

// opening is how many commits precede the first call: the start, its message,
// the lease.
const opening = 3

// bodySize is the size of a call's body and of its answer, in bytes.
const bodySize = 1 << 10

func workloads() []workload {
	five := workload{Name: "five", About: "5 calls of 1 KB in sequence", Stages: []int{1, 1, 1, 1, 1}}
	for i := range 5 {
		five.steps = append(five.steps, call(i, i-1))
	}
	fan := workload{Name: "fan", About: "1 call, 10 side by side, 1 call", Stages: []int{1, 10, 1}}
	fan.steps = append(fan.steps, call(0, -1))
	var leaves []string
	for i := range 10 {
		leaf := call(i+1, 0)
		leaf["needs"] = []string{id(0)}
		leaves = append(leaves, id(i+1))
		fan.steps = append(fan.steps, leaf)
	}
	last := call(11, 10)
	last["needs"] = leaves
	fan.steps = append(fan.steps, last)
	noop := workload{Name: "noop", About: "5 transforms, no call", Stages: []int{0}}
	for i := range 5 {
		value := "{{ input.n }}"
		if i > 0 {
			value = fmt.Sprintf("{{ steps.%s.output + 1 }}", id(i-1))
		}
		noop.steps = append(noop.steps, map[string]any{"id": id(i), "type": "transform", "output": value})
	}
	denseFive, denseFan := five, fan
	denseFive.Dense, denseFan.Dense = true, true
	return []workload{five, fan, noop, denseFive, denseFan}
}

func id(i int) string { return fmt.Sprintf("s%d", i) }

// call is an http step that sends what an earlier one got back, the first one
// what the document holds.
func call(i, from int) map[string]any {
	body := "{{ vars.body }}"
	if from >= 0 {
		body = fmt.Sprintf("{{ steps.%s.output }}", id(from))
	}
	return map[string]any{"id": id(i), "type": "http", "request": map[string]any{"method": "POST", "url": "{{ vars.url }}", "body": body}}
}

// title names the workload in the table.
func (w workload) title() string { return title(w.Name, w.Dense) }

func title(name string, dense bool) string {
	if dense {
		return name + "-dense"
	}
	return name
}

// document is the workflow as it is registered; url is the called service.
func (w workload) document(url string) []byte {
	doc := map[string]any{
		"name": w.Name, "steps": w.steps,
		"vars":   map[string]any{"url": url, "body": body(w.Dense)},
		"output": fmt.Sprintf("{{ steps.%s.status }}", w.steps[len(w.steps)-1]["id"]),
	}
	b, _ := json.Marshal(doc) // strings and lists cannot fail
	return b
}

// calls is how many calls one execution makes.
func (w workload) calls() (n int) {
	for _, s := range w.Stages {
		n += s
	}
	return n
}

// body is the 1 KB that goes to the service and comes back: text as a person
// writes it, or characters drawn at random, which is as dense as JSON gets.
func body(dense bool) map[string]any {
	const frame = len(`{"text":""}`)
	text := strings.Repeat("The parcel left the depot in the morning and is on its way. ", bodySize/40)
	if dense {
		var b strings.Builder
		r := rand.New(rand.NewPCG(1, 2)) // the same in every run
		for b.Len() < bodySize {
			if c := byte(' ' + r.IntN('~'-' ')); c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != '{' && c != '}' {
				b.WriteByte(c)
			}
		}
		text = b.String()
	}
	return map[string]any{"text": text[:bodySize-frame]}
}
