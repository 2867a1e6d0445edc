package sim

import (
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Bounds on how late things may be.
const (
	maxRecovery     = 2*time.Minute + 5*time.Second
	maxRecoverySolo = 16*time.Minute + 5*time.Second // it died before its first Extend
	maxLate         = 5 * time.Second
	maxWoken        = 95 * time.Second // a message returns after 90 s
)

// recovered measures how long an execution stood still after its holder died.
// Callers hold mu.
func (w *world) recovered(x *execution) {
	took := w.since() - x.downAt
	w.recoveries = append(w.recoveries, took)
	x.downAt = -1
	limit := maxRecovery
	if x.downSolo {
		limit = maxRecoverySolo
	}
	if w.mustBePrompt && took > limit {
		w.fail(x.pk, "went on only %s after its worker died", took)
	}
}

// checkLate demands of a world in which nothing goes wrong that everything is
// done when it is due. Where only processes die, whoever released the lease may
// have died before it sent the next message; its own then returns. Callers hold
// mu.
func (w *world) checkLate(x *execution, old table.Attrs) {
	if old[record.AtLease].Int() != 0 {
		return
	}
	due := max(x.lastWrite, x.helperDied)
	if at := old[record.AtNextDue].Int(); at > 0 {
		due = max(due, w.fromUnix(at))
	}
	limit := maxWoken
	if x.helperSolo {
		limit = maxRecoverySolo
	}
	switch late := w.since() - due; {
	case w.rates.none() && late > maxLate:
		w.fail(x.pk, "leased %s after it was due, with nothing going wrong", late)
	case w.mustBePrompt && x.released >= 0 && late > limit:
		w.fail(x.pk, "leased %s after it was due, although it was released in good order", late)
	}
}

// checkTakeover demands that a lease is lost only by who died, froze, could not
// write or had a slow clock. Callers hold mu.
func (w *world) checkTakeover(x *execution, old table.Attrs) {
	if old[record.AtLease].Int() == 0 || x.holder == nil {
		return
	}
	h := x.holder
	// A clock that is slow by more than the second that is kept for closing begins
	// calls that the invocation's deadline cuts.
	if h.proc.dead || h.trouble >= 3 || h.proc.thaw > 0 || h.proc.skew < -time.Second {
		return
	}
	w.fail(x.pk, "#%d lost its lease, although nothing was wrong with it", h.id)
}
