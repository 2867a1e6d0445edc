package sim

// fault is one kind of thing that goes wrong.
type fault int

const (
	crashBeforeWrite fault = iota
	crashAfterWrite
	crashBeforeSend
	crashAfterSend
	crashInCall
	starterKilled
	sweeperKilled
	deadLetterKilled
	outage
	frozen
	skewed
	redelivered
	sentTwice
	delayed
	reordered
	lostRedelivered
	tableBusy
	queueBusy
	appliedUnknown
	neverApplied
	writtenTwice
	sentUnknown
	staleRead
	laggingIndex
	tinyPage
	slowDestination
	dyingDestination
	hangingDestination
	poisoned
	replayed
	faults
)

var faultNames = [faults]string{
	"crash before write", "crash after write", "crash before send", "crash after send", "crash in call",
	"starter killed", "sweeper killed", "dead-letter return killed", "no worker can start", "frozen process",
	"skewed clock", "redelivered", "sent twice", "delayed message", "overtaken message", "lost, then redelivered",
	"table busy", "queue busy", "applied, reply lost", "not applied, reply lost", "written twice by the driver",
	"send without answer", "stale read", "lagging index", "tiny page", "slow destination", "dying destination",
	"hanging destination", "poisoned execution", "replayed request",
}

// rates is how likely each fault is at each of its occasions in one world.
type rates [faults]float64

// usual is the middle of what a world's rates are drawn from.
var usual = rates{
	crashBeforeWrite: 0.008, crashAfterWrite: 0.008, crashBeforeSend: 0.04, crashAfterSend: 0.04, crashInCall: 0.03,
	starterKilled: 0.02, sweeperKilled: 0.01, deadLetterKilled: 0.3, outage: 1, frozen: 0.004,
	skewed: 1, redelivered: 0.06, sentTwice: 0.04, delayed: 0.08, reordered: 0.4, lostRedelivered: 0.03,
	tableBusy: 0.02, queueBusy: 0.04, appliedUnknown: 0.02, neverApplied: 0.015, writtenTwice: 0.02,
	sentUnknown: 0.04, staleRead: 0.2, laggingIndex: 0.5, tinyPage: 0.2, slowDestination: 0.05, dyingDestination: 0.06,
	hangingDestination: 0.05, poisoned: 1, replayed: 0.3,
}

// drawRates chooses the faults of a world. No world has them all: a fault that
// is always covered up by another one would never be seen alone.
func drawRates(d *dice) rates {
	var r rates
	switch d.below(10) {
	case 0: // one kind of fault only, and more of it
		k := d.below(int(faults))
		r[k] = min(1, 2*usual[k])
		return r
	case 1: // a calm world
		return r
	case 2, 3: // nothing that excuses a late recovery
		for k := range r {
			if prompt[k] && d.chance(0.5) {
				r[k] = usual[k]
			}
		}
		return r
	}
	for k := range r {
		if d.chance(0.45) {
			r[k] = min(1, usual[k]*[]float64{0.5, 1, 2}[d.below(3)])
		}
	}
	if r[outage] != 0 && !d.chance(0.5) {
		r[outage] = 0
	}
	if r[outage] != 0 && d.chance(0.8) {
		r[deadLetterKilled] = usual[deadLetterKilled] // there will be something to kill
	}
	if r[poisoned] != 0 && !d.chance(0.35) {
		r[poisoned] = 0
	}
	return r
}

// maxCrashesEach bounds the crashes of one kind in a world, so that it does
// not do nothing else.
const maxCrashesEach = 8

// strikes decides whether a fault happens now, and counts it.
func (w *world) strikes(k fault, d *dice) bool {
	if w.calm || w.rates[k] == 0 || !d.chance(w.rates[k]) {
		return false
	}
	if k <= deadLetterKilled && w.fired[k] >= maxCrashesEach {
		return false
	}
	w.fired[k]++
	return true
}

// prompt marks the faults after which an execution must still go on within the
// two minutes that DESIGN promises: processes that die, and whatever loses no
// message and stops no process.
var prompt = [faults]bool{
	crashBeforeWrite: true, crashAfterWrite: true, crashBeforeSend: true, crashAfterSend: true, crashInCall: true,
	starterKilled: true, sweeperKilled: true, skewed: true, redelivered: true, writtenTwice: true, staleRead: true, laggingIndex: true,
	tinyPage: true, slowDestination: true, dyingDestination: true, hangingDestination: true, poisoned: true, replayed: true,
}

// allPrompt reports whether only such faults happen in a world.
func (r rates) allPrompt() bool {
	for k, p := range r {
		if p > 0 && !prompt[k] {
			return false
		}
	}
	return true
}

// none reports whether nothing goes wrong at all.
func (r rates) none() bool { return r == rates{} }
