package sim

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

var (
	seeds   = flag.Int("seeds", 300, "how many seeds TestSim runs")
	from    = flag.Uint64("from", 1, "the first seed")
	verbose = flag.Bool("log", false, "print the runner's log")
	keep    = flag.Bool("keep", false, "go on after a failure, and print one line for each")
	lines   = flag.Int("trace", 60, "how many events a failure prints")
)

// result is what is left of a world.
type result struct {
	seed       uint64
	mode       mode
	failed     string
	executions int
	ends       int
	events     int
	hash       uint64
	fired      [faults]int
	statuses   map[record.Status]int
	recoveries []time.Duration
	lasted     time.Duration
	mostLive   int
	trace      []string // where it was asked for
}

// simulate runs one seed.
func simulate(t *testing.T, seed uint64) (res result) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed)
		w.live()
		res = w.result()
	})
	return res
}

// nonce is what two runs of a seed may number differently.
var nonce = regexp.MustCompile(` ow=[^ }]+`)

// traced runs one seed and keeps its whole trace.
func traced(t *testing.T, seed uint64) (res result) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed)
		w.live()
		res = w.result()
		for _, e := range w.trace.events {
			res.trace = append(res.trace, nonce.ReplaceAllString(e.String(), ""))
		}
	})
	return res
}

func newWorld(t *testing.T, seed uint64) *world {
	d := dice(mix(seed, 0x5eed))
	w := &world{
		t: t, seed: seed, start: time.Now(), stop: make(chan struct{}), end: make(chan struct{}),
		table: newTable(), queue: newQueue(), net: netState{sites: map[string]*site{}}, wake: make(chan struct{}, 1),
		plans: map[string]*plan{}, docs: map[string]*workflow.Document{}, executions: map[string]*execution{}, tasks: map[string]*task{},
	}
	w.root, w.cancel = context.WithCancel(context.Background())
	w.mode = mode(d.pick(int(lambda), int(lambda), int(fleet), int(fleet), int(embedded)))
	w.rates = drawRates(&d)
	w.mustBePrompt = w.rates.allPrompt()
	w.maxStale = []time.Duration{time.Second, 5 * time.Second, maxLag}[d.below(3)]
	if w.rates[outage] > 0 {
		w.downFrom = d.between(0, 3*time.Minute)
		w.downTo = w.downFrom + d.between(2*time.Minute, 25*time.Minute)
	}
	w.table.put(0, table.Key{PK: record.TenantsPK, SK: tenant}, table.Attrs{"fv": table.Int(1), "shards": table.Int(1)})
	w.build(&d)
	w.load(&d)
	for name, p := range w.plans {
		doc, err := workflow.Parse(p.source())
		if err != nil {
			w.fail("", "plan %s: %v\n%s", name, err, p.source())
		}
		w.docs[name] = doc
	}
	return w
}

// live lets the world pass: trouble first, then calm until everything has come
// to its end, then a while in which nothing may stir.
func (w *world) live() {
	w.run(w.dispatch)
	w.run(w.cron)
	d := w.dice("trouble", 0)
	if w.rest(max(d.between(4*time.Minute, 20*time.Minute), w.downTo+d.between(0, 8*time.Minute))) {
		w.mu.Lock()
		w.calm = true
		w.trace.add(w, event{op: "calm"})
		w.mu.Unlock()
		w.run(w.janitor)
		w.settle()
	}
	w.mu.Lock()
	if w.failed == nil {
		w.judgeAll()
	}
	if w.failed == nil {
		w.judgeTasks()
	}
	if w.failed == nil {
		close(w.stop)
	}
	for _, h := range w.hosts {
		if h.proc != nil && !h.proc.dead {
			h.proc.dead = true
			close(h.proc.gone)
		}
	}
	w.mu.Unlock()
	w.cancel()
	close(w.end)
	w.wg.Wait()
}

// patience is how long after the last thing that had to happen everything must
// be over: a due that the sweeper has put off longest, and what it takes then.
const patience = 2*time.Hour + 30*time.Minute

// silence is how long after the last end every message must have died out:
// one that solo lost comes back after 16 minutes.
const silence = 40 * time.Minute

// settle waits until everything has ended, and then until the queues are empty.
func (w *world) settle() {
	quiet := w.since()
	for w.rest(20 * time.Second) {
		w.mu.Lock()
		x, horizon := w.pending()
		now := w.since()
		switch {
		case x != nil && now > horizon+patience:
			w.fail(x.pk, "stuck: %s since %s, due %s ago at the latest: %s", x.lastStatus(w.table.attrs(metaKey(x.pk))), x.lastMove, now-horizon, attrs(w.table.attrs(metaKey(x.pk))))
		case x != nil || w.scripts > 0:
			quiet = now
		case now > quiet+silence:
			w.checkSilence()
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
	}
}

// pending is an execution that has not ended, and when the last thing that it
// can be waiting for is due. Callers hold mu.
func (w *world) pending() (*execution, time.Duration) {
	var open *execution
	var horizon time.Duration
	for _, x := range w.order {
		m := w.table.attrs(metaKey(x.pk))
		if terminal(m) && !w.untold(x) {
			continue
		}
		last := x.lastMove
		if at := m[record.AtNotBefore].Int(); at > 0 {
			last = max(last, w.fromUnix(at))
		}
		for _, s := range x.plan.steps {
			if due := w.stepOf(x, m, s.id)["due"].Int(); due > 0 {
				last = max(last, w.fromUnix(due))
			}
		}
		if open == nil || last < horizon {
			open, horizon = x, last
		}
	}
	return open, horizon
}

func (w *world) fromUnix(ms int64) time.Duration { return time.UnixMilli(ms).Sub(w.start) }

// checkSilence demands that nothing is left: no message, no due entry.
func (w *world) checkSilence() {
	for _, l := range laneOrder {
		for _, m := range w.queue.lanes[l] {
			w.fail(m.pk, "message %s still lives in %s, %s after the end", m.id, l, silence)
		}
	}
}

func newQueue() queueState { return queueState{lanes: map[queue.Lane][]*message{}} }

func (w *world) result() result {
	r := result{
		seed: w.seed, mode: w.mode, executions: len(w.order), events: w.trace.count, hash: w.trace.hash, fired: w.fired,
		statuses: map[record.Status]int{}, recoveries: w.recoveries, lasted: w.lastEvent,
	}
	for _, x := range w.order {
		r.statuses[x.lastStatus(w.table.attrs(metaKey(x.pk)))]++
		r.ends += x.ends
		r.mostLive = max(r.mostLive, x.mostLive)
	}
	if w.failed != nil {
		r.failed = fmt.Sprintf("seed %d (%s): %s: %s\n%s", w.seed, [...]string{"lambda", "fleet", "embedded"}[w.mode], w.failed.pk, w.failed.text, w.trace.about(w.failed.pk, *lines))
	}
	return r
}

// TestSim runs many seeds and demands that every promise holds in each, and
// that every kind of fault has had its say.
func TestSim(t *testing.T) {
	var next atomic.Int64
	var mu sync.Mutex
	var all []result
	t.Run("seeds", func(t *testing.T) {
		for i := range 2 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for !t.Failed() {
					n := next.Add(1) - 1
					if n >= int64(*seeds) {
						return
					}
					r := simulate(t, *from+uint64(n))
					mu.Lock()
					all = append(all, r)
					mu.Unlock()
					switch {
					case r.failed == "":
					case *keep:
						first, _, _ := strings.Cut(r.failed, "\n")
						t.Log("FAILED " + first)
					default:
						next.Store(int64(*seeds))
						t.Error(r.failed)
					}
				}
			})
		}
	})
	report(t, all)
}

// report prints what happened, and fails where a fault happened too seldom.
func report(t *testing.T, all []result) {
	var executions, ends, events, mostLive int
	var inSeeds, times [faults]int
	statuses := map[record.Status]int{}
	var recoveries []time.Duration
	for _, r := range all {
		executions += r.executions
		ends += r.ends
		events += r.events
		mostLive = max(mostLive, r.mostLive)
		for st, n := range r.statuses {
			statuses[st] += n
		}
		for k, n := range r.fired {
			times[k] += n
			if n > 0 {
				inSeeds[k]++
			}
		}
		recoveries = append(recoveries, r.recoveries...)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds, %d executions with %d ends, %d events; %v; at most %d live messages", len(all), executions, ends, events, statuses, mostLive)
	if len(recoveries) > 0 {
		sort.Slice(recoveries, func(i, j int) bool { return recoveries[i] < recoveries[j] })
		fmt.Fprintf(&b, "\n%d recoveries: median %s, 99 %% within %s", len(recoveries), recoveries[len(recoveries)/2].Truncate(time.Second), recoveries[len(recoveries)*99/100].Truncate(time.Second))
	}
	for k, n := range inSeeds {
		fmt.Fprintf(&b, "\n%-26s %7d times in %5.1f %% of the seeds", faultNames[k], times[k], 100*float64(n)/float64(len(all)))
		if len(all) >= 200 && n*20 < len(all) {
			t.Errorf("%s happened in %d of %d seeds, fewer than 5 %%", faultNames[k], n, len(all))
		}
	}
	t.Log(b.String())
}

// TestSameSeedSameTrace: a seed decides everything, so that a failure can be
// looked at again.
func TestSameSeedSameTrace(t *testing.T) {
	t.Parallel()
	for seed := *from; seed < *from+uint64(min(*seeds, 60)); seed++ {
		a, b := simulate(t, seed), simulate(t, seed)
		if a.hash == b.hash && a.events == b.events {
			continue
		}
		a, b = traced(t, seed), traced(t, seed)
		for i := range min(len(a.trace), len(b.trace)) {
			if a.trace[i] != b.trace[i] {
				t.Errorf("seed %d goes two ways:\n%s\n%s\nand\n%s", seed, strings.Join(a.trace[max(0, i-5):i], "\n"), a.trace[i], b.trace[i])
				break
			}
		}
	}
}

// TestMain warms up what record shares between all worlds: its encoder makes
// channels when it is first used, and one made inside a bubble is of no use to
// the others.
func TestMain(m *testing.M) {
	if _, err := record.Unpack(record.Pack([]byte(strings.Repeat("warm ", 100)))); err != nil {
		panic(err)
	}
	m.Run()
}
