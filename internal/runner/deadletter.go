package runner

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// DeadLetter takes what the dead-letter queue caught, and returns the ids of
// the messages that must come back. A broken deploy is not the execution's
// fault: what has not crashed repeatedly goes on later.
func (r *Runner) DeadLetter(ctx context.Context, ds []queue.Delivery) []string {
	return r.each(ctx, ds, r.deadLetter)
}

var _ queue.Handler = (*Runner)(nil).DeadLetter

func (r *Runner) deadLetter(ctx context.Context, d queue.Delivery) error {
	msg, err := record.DecodeMessage(d.Body)
	if err != nil {
		return r.keepUnreadable(ctx, d)
	}
	for range signalTries {
		m, err := r.meta(ctx, msg.PK, true)
		if err != nil {
			return err
		}
		now := r.now()
		if m == nil || m.Status.Terminal() {
			return nil
		}
		if m.LeaseUntil != 0 && r.leaseLive(m, now) {
			hint := record.Message{PK: m.PK, Run: m.Run, Epoch: knownEpoch(m, d.ID, msg), Hops: msg.Hops + 1, Why: record.WhyGuard}
			return r.send(ctx, laneOf(m), hint, r.until(m.LeaseUntil+3000))
		}
		// What must end anyway and was left by its holder may be what nobody can load.
		if m.LeaseUntil != 0 && (m.Crashes >= maxCrashes || m.Cancel || m.Deadline <= now) {
			return r.endCrashed(ctx, m, died)
		}
		again, err := r.putOff(ctx, m, now)
		if !again {
			return err
		}
	}
	return errNotMine
}

func knownEpoch(m *record.Meta, id string, msg record.Message) int64 {
	if m.Message == id {
		return m.Epoch
	}
	return msg.Epoch
}

// putOff has the sweeper send for the execution, later each time. again: it
// changed in between.
func (r *Runner) putOff(ctx context.Context, m *record.Meta, now int64) (again bool, err error) {
	due := now + backoffMinutes(m.Returns).Milliseconds()
	if m.DuePK != "" {
		due = min(due, m.DueAt)
	}
	_, err = r.write(ctx, table.Write{
		Key: table.Key{PK: m.PK, SK: "0"}, Kind: table.Update,
		Set: table.Attrs{table.DuePK: table.String(record.DuePK(m.ID)), table.DueSK: table.Int(due)},
		Add: map[string]int64{record.AtReturns: 1},
		If:  indexRule(m),
	}, "")
	if _, moved := table.Failed(err); moved {
		return true, nil
	}
	return false, err
}

// backoffMinutes is 5, 10, 20, 40, 60, 60 … minutes.
func backoffMinutes(n int64) time.Duration {
	return min(5*time.Minute<<min(n, 4), time.Hour)
}

// indexRule guards every write of the due entry that is no transition of its
// own: run, entry and next due as seen, and still open. Otherwise a delayed
// writer could bury an execution that has moved on, or raise one that ended.
func indexRule(m *record.Meta) table.Cond {
	seen := []table.Test{equals(record.AtRun, int64(m.Run)), equals(record.AtNextDue, m.NextDue), dueAsSeen(m), duePKAsSeen(m)}
	var c table.Cond
	for _, st := range []record.Status{record.Queued, record.Running, record.Waiting, record.Paused} {
		c = append(c, append([]table.Test{statusIs(st)}, seen...))
	}
	return c
}

func duePKAsSeen(m *record.Meta) table.Test {
	if m.DuePK == "" {
		return table.Test{Attr: table.DuePK, Op: table.Absent}
	}
	return table.Test{Attr: table.DuePK, Op: table.Eq, Value: table.String(m.DuePK)}
}

// keepUnreadable stores a message that no binary of this version can read, for
// an operator to decide on: packed, because a message may be larger than an item.
func (r *Runner) keepUnreadable(ctx context.Context, d queue.Delivery) error {
	tenant := unreadableTenant
	pk := tenant + "#m#" + hex.EncodeToString([]byte(d.ID))
	body, err := r.storeChunks(ctx, pk, 0, record.Pack(d.Body))
	if err != nil {
		return err
	}
	_, err = r.write(ctx, table.Write{
		Key: table.Key{PK: pk, SK: "0"}, Kind: table.Put, If: table.IfAbsent(),
		Set: table.Attrs{
			"fv": table.Int(record.FV), "b": table.Bytes(body), "at": table.Int(d.Sent.UnixMilli()),
			table.DuePK: table.String(record.DeadPK(tenant, d.ID)), table.DueSK: table.Int(r.now()),
		},
	}, "")
	if _, there := table.Failed(err); there {
		return nil
	}
	if err == nil {
		r.log.Error("unreadable message kept as a dead letter", "message", d.ID)
	}
	return err
}

// unreadableTenant owns messages that name no tenant.
const unreadableTenant = "default"

// Why an execution ends as crashed.
const (
	died   = "its workers died repeatedly before any step was recorded"
	looped = "it was looked at ten thousand times without any progress"
)

// endCrashed ends an execution whose workers died again and again without any
// progress, or that goes round in a circle. Nothing of it runs; what it began
// elsewhere is stopped.
func (r *Runner) endCrashed(ctx context.Context, m *record.Meta, why string) error {
	if err := r.stopAbandoned(ctx, m); err != nil {
		return err
	}
	now, owner := r.now(), r.nonce(false)
	st, e := record.Failed, &record.Error{Category: string(retry.Crashed), Code: "crashed", Message: why}
	switch {
	case m.Cancel:
		st, e = record.Cancelled, &record.Error{Category: string(retry.Cancelled), Message: "cancelled on request"}
	case m.Deadline <= now:
		st, e = record.TimedOut, &record.Error{Category: string(retry.Timeout), Code: "deadline", Message: "the execution's timeout passed"}
	}
	w := table.Write{
		Key: table.Key{PK: m.PK, SK: "0"}, Kind: table.Update,
		Set: table.Attrs{
			record.AtStatus: table.String(string(st)), record.AtError: record.EncodeError(e, record.MaxError), record.AtEnded: table.Int(now),
			record.AtLease: table.Int(0), record.AtOwner: table.String(owner),
		},
		Add: map[string]int64{record.AtEpoch: 1},
		If:  table.All(equals(record.AtEpoch, m.Epoch), equals(record.AtLease, m.LeaseUntil), equals(record.AtSignals, m.Signals)),
	}
	if st != record.Cancelled {
		w.Set[table.DuePK], w.Set[table.DueSK] = table.String(record.DeadPK(m.Tenant, m.ID)), table.Int(now)
	} else {
		w.Remove = []string{table.DuePK, table.DueSK}
	}
	for step := range m.Marks {
		w.Remove = append(w.Remove, record.AtMark+step) // as at every end: the error needs the room
	}
	task := r.expectEnd(ctx, m)
	image, err := r.write(ctx, w, owner)
	if _, failed := table.Failed(err); failed {
		return errNotMine // it moved; the message comes back and looks again
	}
	if err == nil {
		r.log.Error("execution ended as crashed", "execution", m.PK, "status", st)
		r.ends.tell(m.PK, unread)
		r.tellEnd(ctx, m.PK, task, image)
	}
	return err
}

// endLoop ends an execution that has woken itself too often without progress.
func (r *Runner) endLoop(ctx context.Context, msg record.Message) error {
	m, err := r.meta(ctx, msg.PK, true)
	if err != nil || m == nil || m.Status.Terminal() {
		return err
	}
	if m.LeaseUntil != 0 && r.leaseLive(m, r.now()) {
		hint := record.Message{PK: m.PK, Run: m.Run, Epoch: msg.Epoch, Hops: msg.Hops, Why: record.WhyGuard}
		return r.send(ctx, laneOf(m), hint, r.until(m.LeaseUntil+3000))
	}
	return r.endCrashed(ctx, m, looped)
}
