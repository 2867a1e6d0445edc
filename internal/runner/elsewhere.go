package runner

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// stopWithin bounds how long an end waits for all that goes on elsewhere to be
// stopped.
const stopWithin = 5 * time.Second

// stopTries is how often a crashed execution's end may be begun by stopping what
// goes on elsewhere. Looking at it may be what kills its workers.
const stopTries = 3

// goesOn reports whether what a step begins goes on elsewhere when the call is
// over.
func goesOn(s *workflow.Step) bool { return s.Type == workflow.StepFunctions && !s.Express }

// remember keeps a call under way that may begin something of which no record
// tells yet.
func (x *run) remember(s *workflow.Step, call step.Call) {
	if !goesOn(s) {
		return
	}
	if x.begun == nil {
		x.begun = map[string]step.Call{}
	}
	x.begun[s.ID] = call
}

// stopElsewhere stops what the execution began elsewhere and does not wait for
// any more, before its end is written: whoever dies in between does it again.
// It does not keep the execution from ending.
func (x *run) stopElsewhere() {
	stopper, can := x.r.cfg.HTTP.(step.Stopper)
	if !can {
		return
	}
	ctx, cancel := context.WithTimeout(x.ctx, stopWithin)
	defer cancel()
	turn := make(chan struct{}, maxParallel)
	var wg sync.WaitGroup
	for _, s := range x.doc.Steps {
		call, may := x.mayGoOn(s)
		if !may {
			continue
		}
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			if err := x.r.stop(ctx, stopper, call); err != nil {
				x.r.log.Warn("what a step began could not be stopped", "execution", x.pk, "step", s.ID, "error", err)
			}
		})
	}
	wg.Wait()
}

// stop stops what one call began; a panic below it is an error like any other.
func (r *Runner) stop(ctx context.Context, stopper step.Stopper, c step.Call) (err error) {
	defer r.recovered(c.Key, &err)
	return stopper.Stop(ctx, c)
}

// recovered makes a panic an error, with the stack in the log only. It is for
// defer.
func (r *Runner) recovered(what string, err *error) {
	if p := recover(); p != nil {
		r.log.Error("panic", "at", what, "panic", p, "stack", string(debug.Stack()))
		*err = errors.New("panic")
	}
}

// mayGoOn is the call of a step that may have begun what goes on elsewhere. Where
// no record tells of it, a call of this lease may have begun it, or one under an
// earlier lease whose holder died, or was cut short, before the record: that one
// was made with the same request and under the same key.
func (x *run) mayGoOn(s *workflow.Step) (call step.Call, may bool) {
	rec := x.machine.Record(s)
	if !goesOn(s) || rec != nil && rec.State == record.Done {
		return call, false
	}
	call, may = x.begun[s.ID]
	if !may {
		call = step.Call{Type: string(s.Type), Key: x.key(s.ID), Run: x.meta.Run}
		if x.epoch > 1 {
			call.Request, may = x.machine.Request(s)
		}
	}
	if rec != nil && len(rec.Body.State) > 0 {
		call.State, may = rec.Body.State, true
	}
	return call, may
}

// stopAbandoned stops what an execution that no worker will go on with began
// elsewhere, before its end is written. Whoever dies over it does it again, but
// not for ever; what goes wrong in any other way is logged and is no reason not to
// end. The error says that the execution has moved.
func (r *Runner) stopAbandoned(ctx context.Context, m *record.Meta) error {
	doc, err := r.cfg.Docs.Document(ctx, m.Tenant, m.Workflow, m.Version)
	if err != nil {
		r.log.Warn("what it began elsewhere is not stopped", "execution", m.PK, "error", err)
		return nil
	}
	if !slices.ContainsFunc(doc.Steps, goesOn) {
		return nil
	}
	if m.Crashes >= maxCrashes {
		if m.Crashes >= maxCrashes+stopTries {
			r.log.Error("what it began elsewhere is not stopped: its workers die over it", "execution", m.PK)
			return nil
		}
		if err := r.countStop(ctx, m); err != nil {
			return err
		}
	}
	if err := r.stopOf(ctx, m, doc); err != nil {
		r.log.Warn("what it began elsewhere is not stopped", "execution", m.PK, "error", err)
	}
	return nil
}

// countStop counts one more try to stop what a crashed execution began.
func (r *Runner) countStop(ctx context.Context, m *record.Meta) error {
	_, err := r.write(ctx, table.Write{
		Key: table.Key{PK: m.PK, SK: "0"}, Kind: table.Update, Set: table.Attrs{record.AtCrashes: table.Int(m.Crashes + 1)},
		If: table.All(equals(record.AtEpoch, m.Epoch), equals(record.AtLease, m.LeaseUntil), equals(record.AtSignals, m.Signals)),
	}, "")
	if _, moved := table.Failed(err); moved {
		return errNotMine
	}
	return err
}

// stopOf looks at an execution as a worker would, and stops what it finds. It
// starts and writes nothing.
func (r *Runner) stopOf(ctx context.Context, m *record.Meta, doc *workflow.Document) (err error) {
	defer r.recovered(m.PK, &err)
	x := r.newRun(ctx, queue.Delivery{}, record.Message{PK: m.PK}, m)
	x.doc, x.epoch = doc, m.Epoch
	recs, err := r.loadSteps(ctx, m)
	if err != nil {
		return err
	}
	if err := x.build(recs); err != nil {
		return err
	}
	x.decide()
	x.stopElsewhere()
	return nil
}
