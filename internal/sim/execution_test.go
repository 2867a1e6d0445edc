package sim

import (
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// tenant owns everything that is simulated.
const tenant = "default"

// execution is what the world itself knows of one, seen from outside.
type execution struct {
	pk, id string
	plan   *plan
	input  int
	key    string // idempotency key
	acked  bool
	delay  time.Duration

	holder   *invocation // whose lease is the latest
	crashes  int         // processes that died holding it, or froze until they lost it
	crashed  map[*process]bool
	downAt   time.Duration // since when its holder is dead; -1: it is not
	downSolo bool          // the dead holder was on solo and had not yet extended

	final   map[string]string // "<run>/<step>" → outcome, once there is one
	doneAt  map[string]time.Duration
	waitDue map[string]int64

	cancelAsked bool
	cancelled   time.Duration // when a cancel was answered; -1: never
	paused      time.Duration // when a pause was answered; -1: not paused
	delivered   map[string]time.Duration
	retries     int
	generations map[string]int // by step: times it succeeded in a run before
	extras      []time.Duration
	decisions   map[string]int
	lastMove    time.Duration // of the status
	lastWrite   time.Duration // of META
	helperDied  time.Duration // when somebody last died with one of its messages in hand
	helperSolo  bool          // and that was on solo, and not yet extended
	released    time.Duration // when META's last write released a lease; -1: it did not
	ends        int
	firstEnd    string            // how the first run ended, as a task is told
	keys        map[string]string // by run and step: the generation in its key
	brokenRun   int
	brokenAt    time.Duration
	sends       int
	mostLive    int
}

// lease is what an invocation knows it holds.
type lease struct {
	epoch int64
	run   int
	until int64
	at    time.Duration

	cancel, pause bool // it saw a cancel or a pause
}

func metaKey(pk string) table.Key { return table.Key{PK: pk, SK: "0"} }

func terminal(meta table.Attrs) bool { return record.Status(meta[record.AtStatus].Str()).Terminal() }

// step finds a planned step by its id.
func (p *plan) step(id string) *planned {
	for _, s := range p.steps {
		if s.id == id {
			return s
		}
	}
	return nil
}

// clock is a process's own clock in Unix ms.
func (w *world) clock(p *process) int64 { return w.start.Add(w.since() + p.skew).UnixMilli() }

// born makes an execution known when its META appears. Callers hold mu.
func (w *world) born(pk string, meta table.Attrs) *execution {
	_, id, _ := record.SplitPK(pk)
	x := &execution{
		lastWrite: w.since(),
		pk:        pk, id: id, plan: w.plans[meta[table.HistWork].Str()], downAt: -1, cancelled: -1, paused: -1, released: -1,
		final: map[string]string{}, doneAt: map[string]time.Duration{}, waitDue: map[string]int64{}, crashed: map[*process]bool{},
		delivered: map[string]time.Duration{}, generations: map[string]int{}, decisions: map[string]int{}, keys: map[string]string{},
	}
	w.executions[pk] = x
	w.order = append(w.order, x)
	return x
}

// nextRun forgets what belonged to the run that is closed. Callers hold mu.
func (x *execution) nextRun(w *world, closed int) {
	for _, s := range x.plan.steps {
		if strings.HasPrefix(x.final[runStep(closed, s.id)], string(record.Done)) {
			x.generations[s.id]++
		}
		w.site(x.pk, s.id).mended = true
	}
	x.retries++
	x.cancelled, x.paused = -1, -1
	x.crashes, x.downAt = 0, -1
	clear(x.crashed)
}

// noteCrash remembers which executions lost their holder. Callers hold mu.
func (w *world) noteCrash(p *process) {
	for _, x := range w.order {
		if x.holder == nil || x.holder.proc != p {
			continue
		}
		if m := w.table.attrs(metaKey(x.pk)); m[record.AtLease].Int() != 0 && !terminal(m) {
			x.lostHolder(w)
		}
	}
}

// lostHolder notes that the holder of the lease is dead. Callers hold mu.
func (x *execution) lostHolder(w *world) {
	if p := x.holder.proc; !x.crashed[p] {
		x.crashed[p] = true
		x.crashes++
	}
	if x.downAt < 0 {
		x.downAt = w.since()
		x.downSolo = x.holder.lane == "solo" && !x.holder.extended
	}
}

// noteExtra remembers a message that the world or an API request added.
func (w *world) noteExtra(pk string) {
	if x := w.executions[pk]; x != nil {
		x.extras = append(x.extras, w.since())
	}
}
