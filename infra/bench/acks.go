package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/sign"
)

// webhook is the title of what measures how soon signed events are
// acknowledged. It is no workload: nobody waits for what the events start.
const webhook = "webhook"

// senders is how many send events at the same time, each on a connection of
// its own, the next one when the last is acknowledged.
const senders = 100

// pace is how often each of them sends where they have all the time they want.
const pace = 200 * time.Millisecond

// acks is how soon events were acknowledged, in milliseconds.
type acks struct {
	Pace      string  `json:"pace"` // of each sender; "" as fast as the answers come
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50Ms"`
	P99       float64 `json:"p99Ms"`
	Max       float64 `json:"maxMs"`
	CPU       float64 `json:"cpuMs"` // of the process, each, with what the event starts
}

// The source, its secret, and the workflow that its events start.
const (
	eventSecret = "whsec_c3RlcGxpbmUtYmVuY2gtc2VjcmV0LW9mLTMyLWJ5dGVz"
	eventSource = `{"name":"bench","verify":{"scheme":"standard-webhooks","secrets":["bench"]},"start":{"workflow":"noop"}}`
)

// acknowledgements measures an engine of its own, first at a pace that leaves
// it time, then at none.
func (b *bench) acknowledgements(ctx context.Context) (all []acks, err error) {
	fmt.Fprintf(b.progress, "%s: signed events of %d senders …\n", webhook, senders)
	engine, err := spawn(ctx, role{Kind: "engine", Template: b.template, Dir: filepath.Join(b.dir, webhook)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.end()) }()
	noop := result{Workload: "noop"}.workload()
	operator := newClient(engine.Address, noop.Name, 1)
	defer operator.close()
	if err := operator.register(ctx, noop.document(b.service)); err != nil {
		return nil, err
	}
	if err := operator.put(ctx, "/v1/sources/bench", []byte(eventSource)); err != nil {
		return nil, err
	}
	where, err := engine.ask(order{Do: webhook})
	if err != nil {
		return nil, err
	}
	provider := &provider{client: newClient(where.Address, "", senders), scheme: sign.Standard(0)}
	defer provider.client.close()
	for _, p := range []time.Duration{pace, 0} {
		one, err := provider.measure(ctx, engine, p, b.plan.Acks)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// provider sends signed events, each with an id of its own.
type provider struct {
	client *client
	scheme *sign.Scheme
	events atomic.Int64
}

// measure has the senders send for some time.
func (p *provider) measure(ctx context.Context, engine *child, every, d time.Duration) (a acks, err error) {
	before, err := engine.ask(order{Do: "usage"})
	if err != nil {
		return a, err
	}
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var work sync.WaitGroup
	began := time.Now()
	for i := range senders {
		work.Go(func() {
			mine, err := p.sender(ctx, began.Add(every*time.Duration(i)/senders), every, began.Add(d))
			mu.Lock()
			defer mu.Unlock()
			took, failed = append(took, mine...), errors.Join(failed, err)
		})
	}
	work.Wait()
	span := time.Since(began)
	if failed != nil || len(took) == 0 {
		return a, errors.Join(failed, ctx.Err())
	}
	after, err := engine.ask(order{Do: "usage"})
	slices.Sort(took)
	a = acks{
		PerSecond: float64(len(took)) / span.Seconds(), P50: ms(quantile(took, 0.5)), P99: ms(quantile(took, 0.99)), Max: ms(took[len(took)-1]),
		CPU: ms(after.Usage.CPU-before.Usage.CPU) / float64(len(took)),
	}
	if every > 0 {
		a.Pace = every.String()
	}
	return a, err
}

// sender sends one event after the other until the time is over.
func (p *provider) sender(ctx context.Context, next time.Time, every time.Duration, end time.Time) (took []time.Duration, err error) {
	for ; next.Before(end) && time.Now().Before(end); next = next.Add(every) {
		if every > 0 {
			time.Sleep(time.Until(next)) // the pace is what is measured
		} else {
			next = time.Now()
		}
		header, body, err := p.event()
		if err != nil {
			return took, err
		}
		began := time.Now()
		if err := p.client.deliver(ctx, header, body); err != nil {
			return took, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// event is the next event: 1 KB, signed now.
func (p *provider) event() (header string, body []byte, err error) {
	n := p.events.Add(1)
	body, err = json.Marshal(map[string]any{"n": n, "data": eventBody})
	if err != nil {
		return "", nil, err
	}
	signed, err := p.scheme.Sign("msg_"+strconv.FormatInt(n, 10), time.Now(), body, eventSecret)
	if err != nil {
		return "", nil, err
	}
	var b strings.Builder
	for _, h := range signed {
		b.WriteString(h.Name + ": " + h.Value + "\r\n")
	}
	return b.String(), body, nil
}

var eventBody = body(false)

// deliver sends an event and demands that it is the first of its id.
func (c *client) deliver(ctx context.Context, header string, body []byte) error {
	return c.with(ctx, func(conn *connection) error {
		status, answer, err := conn.send(c.host, "POST /bench", header, body)
		if err == nil && status != http.StatusAccepted {
			err = fmt.Errorf("an event: %d %s", status, bytes.TrimSpace(answer))
		}
		return err
	})
}

func (r report) printAcks(out io.Writer) {
	if len(r.Acks) == 0 {
		return
	}
	fmt.Fprintf(out, "\nAcknowledgement of signed events of 1 KB by %d senders, each of which starts a workflow:\n\n", senders)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tper s\tp50 ms\tp99 ms\tmax ms\tCPU ms\t")
	for _, a := range r.Acks {
		how := "as fast as they can"
		if a.Pace != "" {
			how = "each every " + a.Pace
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", how, a.PerSecond, a.P50, a.P99, a.Max, a.CPU)
	}
	_ = t.Flush() // to a terminal, or a file that fails later
}
