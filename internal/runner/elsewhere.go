package runner

import (
	"context"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// stopWithin bounds how long an end waits for what goes on elsewhere to be
// stopped.
const stopWithin = 5 * time.Second

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
	for _, s := range x.doc.Steps {
		call, begun := x.begun[s.ID]
		rec := x.machine.Record(s)
		switch {
		case !goesOn(s), rec != nil && rec.State == record.Done:
			continue
		case rec != nil && len(rec.Body.State) > 0:
			call = step.Call{Type: string(s.Type), Key: x.key(s.ID), Run: x.meta.Run, State: rec.Body.State}
		case !begun:
			continue
		}
		ctx, cancel := context.WithTimeout(x.ctx, stopWithin)
		if err := stopper.Stop(ctx, call); err != nil {
			x.r.log.Warn("what a step began could not be stopped", "execution", x.pk, "step", s.ID, "error", err)
		}
		cancel()
	}
}
