package app_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/sign"
	"github.com/seed-926d1ba8/stepline/internal/table/tabletest"
)

// Everything that a client can do, over HTTP, with a worker and the sweeper
// behind it: on a table that does as it should, and on ones that do all that
// the port allows.
func TestFlowsOnEveryTable(t *testing.T) {
	t.Parallel()
	_, _ = record.Unpack(record.Pack(make([]byte, 1000))) // its shared encoder must not be made inside a bubble
	for seed := range uint64(5) {
		for name, flow := range map[string]func(*client){
			"versions": versions, "keys": keys, "signals": signals, "callbacks": callbacks, "events": events, "retries": retries, "lists": lists,
		} {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { flow(newClient(t, seed)) })
			})
		}
	}
}

func versions(c *client) {
	c.want(404, "GET", "/v1/workflows/one", "")
	c.put("one", `{"id":"a","type":"http","request":{"url":"http://x/a"}}`, 201)
	c.put("one", `{"id":"a","type":"http","request":{"url":"http://x/a"}}`, 200)
	c.put("one", `{"id":"b","type":"http","request":{"url":"http://x/b"}}`, 201)
	c.ran("one", "b")
	c.want(200, "PUT", "/v1/workflows/one/live", `{"version":1}`)
	c.ran("one", "a")
	if n := strings.Count(c.want(200, "GET", "/v1/workflows/one/versions", ""), `"version":`); n != 2 {
		c.t.Errorf("%d versions, want 2", n)
	}
	time.Sleep(10 * time.Minute) // the index shows what has started, and that it has ended
	c.want(204, "DELETE", "/v1/workflows/one", "")
	c.want(404, "POST", "/v1/executions", `{"workflow":"one"}`)
}

// ran starts a workflow and demands that it has called this step.
func (c *client) ran(workflow, step string) {
	c.t.Helper()
	if x := c.ends(c.start(workflow), record.Succeeded); len(x.Steps) != 1 || x.Steps[0].ID != step {
		c.t.Errorf("the steps are %+v, want %s", x.Steps, step)
	}
}

func keys(c *client) {
	c.put("one", `{"id":"a","type":"http","request":{"url":"http://x/a"}}`, 201)
	var x history.Execution
	c.atOnce(12, &x, "/v1/executions", `{"workflow":"one"}`, "Idempotency-Key", "k")
	c.ends(x.ID, record.Succeeded)
	c.want(422, "POST", "/v1/executions", `{"workflow":"one","input":1}`, "Idempotency-Key", "k")
	if n := c.calls.Load(); n != 1 {
		c.t.Errorf("the step was called %d times", n)
	}
}

// atOnce posts the same n times at once and reads each of the answers, which
// must name the same execution.
func (c *client) atOnce(n int, into any, target, body string, header ...string) {
	c.t.Helper()
	var wg sync.WaitGroup
	answers := make([]string, n)
	for i := range answers {
		wg.Go(func() { _, answers[i] = c.ask("POST", target, body, header...) })
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, a := range answers {
		c.read(a, into)
		ids[anID.FindString(a)] = true
	}
	if len(ids) != 1 || ids[""] {
		c.t.Fatalf("one request, made %d times at once, is answered with %v", n, answers)
	}
}

var anID = regexp.MustCompile(record.IDPrefix + "[0-9A-Z]{26}")

func events(c *client) {
	c.put("one", `{"id":"a","type":"http","request":{"url":"http://x/a"}}`, 201)
	const source = `{"name":"shop","verify":{"secrets":["shop"]},"start":{"workflow":"one"}}`
	c.want(201, "PUT", "/v1/sources/shop", source)
	c.want(200, "PUT", "/v1/sources/shop", source)
	signed, err := sign.Standard(0).Sign("evt-1", time.Now(), []byte(`{"n":1}`), c.secret)
	if err != nil {
		c.t.Fatal(err)
	}
	var header []string
	for _, h := range signed {
		header = append(header, h.Name, h.Value)
	}
	var got api.Received
	c.atOnce(12, &got, "/shop", `{"n":1}`, header...)
	c.want(401, "POST", "/shop", `{"n":2}`, header...)
	c.ends(got.Executions[0], record.Succeeded)
	c.want(200, "POST", "/shop", `{"n":1}`, header...)
	if n := c.calls.Load(); n != 1 {
		c.t.Errorf("the step was called %d times", n)
	}
	c.want(204, "DELETE", "/v1/sources/shop", "")
	c.want(401, "POST", "/shop", `{"n":1}`, header...)
}

func signals(c *client) {
	c.put("slow", `{"id":"w","type":"wait","duration":"30m"}`+"\n"+`{"id":"a","type":"http","request":{"url":"http://x/a"}}`, 201)
	id, other := c.start("slow"), c.start("slow")
	c.waits(other)
	c.want(202, "DELETE", "/v1/executions/"+other, "")
	c.ends(other, record.Cancelled)
	c.want(409, "DELETE", "/v1/executions/"+other, "")
	c.waits(id)
	c.want(202, "POST", "/v1/executions/"+id+"/pause", "")
	time.Sleep(time.Hour) // of the bubble: paused means for good
	if x := c.get(id); x.Status != record.Paused {
		c.t.Errorf("it is %s, want it paused", x.Status)
	}
	c.want(409, "DELETE", "/v1/workflows/slow", "")
	c.want(202, "POST", "/v1/executions/"+id+"/resume", "")
	c.ends(id, record.Succeeded)
	c.want(409, "POST", "/v1/executions/"+id+"/pause", "")
}

func callbacks(c *client) {
	c.put("asks", `{"id":"word","type":"callback","timeout":"1d"}`, 201)
	id := c.start("asks")
	x := c.waits(id)
	if len(x.WaitingFor) != 1 || x.WaitingFor[0].URL == "" {
		c.t.Fatalf("it waits for %+v, want an address", x.WaitingFor)
	}
	address := strings.TrimPrefix(x.WaitingFor[0].URL, "http://localhost")
	c.want(200, "POST", address, `{"yes":true}`)
	x = c.ends(id, record.Succeeded)
	if string(x.Steps[0].Output) != `{"yes":true}` {
		c.t.Errorf("the step's output is %s", x.Steps[0].Output)
	}
	c.want(409, "POST", address, `{"yes":false}`)
}

func retries(c *client) {
	c.put("shaky", `{"id":"a","type":"http","request":{"url":"http://x/a"}}`+"\n"+`{"id":"bad","type":"http","request":{"url":"http://x/bad"},"retry":"none"}`, 201)
	c.broken.Store(true)
	id := c.start("shaky")
	c.ends(id, record.Failed)
	c.broken.Store(false)
	c.want(202, "POST", "/v1/executions/"+id+"/retry", `{"from":"failed"}`)
	if x := c.ends(id, record.Succeeded); x.Run != 2 || c.calls.Load() != 3 {
		c.t.Errorf("run %d after %d calls, want run 2 and the first step kept", x.Run, c.calls.Load())
	}
	if events := c.want(200, "GET", "/v1/executions/"+id+"/timeline", ""); !strings.Contains(events, "succeeded") {
		c.t.Errorf("the timeline is %s", events)
	}
}

func lists(c *client) {
	c.put("one", `{"id":"a","type":"http","request":{"url":"http://x/a"}}`, 201)
	c.put("slow", `{"id":"w","type":"wait","duration":"2h"}`, 201)
	var ended, waiting []string
	for range 7 {
		ended = append(ended, c.start("one"))
		waiting = append(waiting, c.start("slow"))
		time.Sleep(time.Second) // of the bubble: each starts at another time
	}
	time.Sleep(tabletest.MaxLag + time.Minute) // until no index lags
	c.lists("workflow=one&status=succeeded", ended)
	c.lists("workflow=slow", waiting)
	c.lists("status=waiting", waiting)
	c.lists("status=failed", nil)
}

// lists demands that a walk over small pages shows exactly these, the newest
// first.
func (c *client) lists(query string, want []string) {
	c.t.Helper()
	var got []string
	for cursor := ""; ; {
		var page struct {
			Items []struct{ ID string }
			Next  string
		}
		c.read(c.want(200, "GET", "/v1/executions?limit=3&"+query+cursor, ""), &page)
		for _, x := range page.Items {
			got = append(got, x.ID)
		}
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		c.t.Errorf("%s: %v, want %v", query, got, want)
	}
}
