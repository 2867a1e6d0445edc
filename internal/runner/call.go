package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/engine"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/telemetry"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// mustEnd is when the invocation has to be over.
func (x *run) mustEnd() int64 {
	if x.d.Lane != queue.Solo {
		return x.until - x.r.times.LeaseGrace.Milliseconds()
	}
	if deadline, ok := x.ctx.Deadline(); ok {
		return deadline.UnixMilli()
	}
	return x.meta.Deadline
}

// startAll begins the calls that fit into what is left of this invocation. Of
// the others it notes that the execution is to be handed over.
func (x *run) startAll(calls []engine.Call) {
	for _, c := range calls {
		if x.busy == maxParallel {
			return
		}
		if x.fits(c.Step) {
			x.start(c)
		}
	}
}

func (x *run) fits(s *workflow.Step) bool {
	now, end := x.r.now(), x.mustEnd()
	span := (s.AttemptTimeout + closing).Milliseconds()
	// An Express state machine's call can be made once only: not beside others
	// that may take the worker along.
	alone := s.AttemptTimeout > x.r.times.MaxAttempt || s.Express
	shared := x.d.Lane != queue.Solo
	switch {
	case x.calls.Err() != nil: // the lease was nearly over, and no call can be made any more
	case shared && (alone || span > end-x.began):
		x.lane = queue.Solo
	case x.r.draining(), now+span > end, shared && now >= x.began+x.r.times.NoNewStep.Milliseconds():
		if alone {
			x.lane = queue.Solo
		}
	default:
		return true
	}
	x.handover = true
	return false
}

// start makes one attempt in a goroutine of its own.
func (x *run) start(c engine.Call) {
	x.busy++
	x.machine.SetInFlight(c.Step, true)
	now := x.r.now()
	limit := min(c.Step.AttemptTimeout, time.Duration(x.meta.Deadline-now)*time.Millisecond)
	if c.Step.Timeout > 0 && c.Step.Type != workflow.Callback {
		first := now
		if c.Before != nil && c.Before.First != 0 {
			first = c.Before.First
		}
		limit = min(limit, time.Duration(first-now)*time.Millisecond+c.Step.Timeout)
	}
	call := x.stepCall(c)
	x.remember(c.Step, call)
	intent := x.machine.Intent(c, now)
	go func() {
		ctx, cancel := context.WithTimeout(x.calls, limit)
		defer cancel()
		if intent != nil {
			if ev := x.checkpoint(intent); ev.err != nil || ev.adopted {
				x.events <- ev // nothing was called
				return
			}
			c.Before = intent
		}
		res := x.r.call(ctx, call)
		ev := event{call: &c, result: engineResult(res, now, x.r.now())}
		switch cause := context.Cause(x.calls); {
		case errors.Is(cause, errCancelled) && ev.result.Err != nil:
			ev.result.Err = &record.Error{Category: string(retry.Cancelled), Message: "cancelled on request while it was being called"}
		case cause != nil && res.Err != nil && !res.Err.Answered && (res.Err.Unclear || res.Err.Category == retry.Cancelled || res.Err.Category == retry.Timeout):
			ev.cut = true // a definite answer that came just before counts
			ev.result.Err = &record.Error{Category: string(retry.Unknown), Message: "the worker stopped while the step was being called"}
		}
		x.events <- ev
	}()
}

func (x *run) stepCall(c engine.Call) step.Call {
	call := step.Call{
		Type: string(c.Step.Type), Request: c.Request, Key: x.key(c.Step.ID), Run: x.meta.Run, Attempt: c.Attempt,
		Traceparent: telemetry.Traceparent(x.meta.ID, c.Step.ID, c.Attempt), Auth: authOf(c.Step), Sign: signOf(c.Step),
	}
	if c.Before != nil {
		call.State = c.Before.Body.State
	}
	return call
}

func authOf(s *workflow.Step) *step.Auth {
	if s.Auth == nil {
		return nil
	}
	return &step.Auth{Kind: string(s.Auth.Kind), User: s.Auth.User, Header: s.Auth.Header, Secret: s.Auth.Secret}
}

func signOf(s *workflow.Step) *step.Sign {
	if s.Sign == nil {
		return nil
	}
	return &step.Sign{Scheme: s.Sign.Scheme, Secret: s.Sign.Secret}
}

// call makes the attempt; a panic below it is the step's failure, with the
// stack in the log only.
func (r *Runner) call(ctx context.Context, c step.Call) (res step.Result) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("a step panicked", "key", c.Key, "panic", p, "stack", string(debug.Stack()))
			res = step.Result{Err: &step.Error{Category: retry.Internal, Code: "panic", Message: "the step failed inside Stepline"}}
		}
	}()
	return r.cfg.HTTP.Call(ctx, c)
}

func engineResult(r step.Result, start, end int64) engine.Result {
	out := engine.Result{Start: start, End: end, Output: r.Output, Again: r.Again, State: r.State}
	if !r.Began.IsZero() {
		out.Began = r.Began.UnixMilli()
	}
	if r.Response != nil {
		out.Response, _ = json.Marshal(r.Response) // a number and strings cannot fail
	}
	switch {
	case r.Err != nil:
		out.Err = &record.Error{Category: string(r.Err.Category), Code: r.Err.Code, Message: r.Err.Message}
		out.RetryAfter, out.Unclear = r.Err.RetryAfter, r.Err.Unclear
	case len(r.Output) > record.MaxValue:
		out.Output = nil
		out.Err = &record.Error{Category: string(retry.Validation), Code: "too_large", Message: fmt.Sprintf("the answer has %d bytes, at most %d can be kept; its effect has happened", len(r.Output), record.MaxValue)}
	}
	return out
}

// key is the stable idempotency key of a step's calls: the same for every
// attempt and every worker, with a generation only where a step that had
// succeeded is run again on purpose.
func (x *run) key(stepID string) string {
	k := x.meta.ID + "/" + stepID
	if g := x.generation[stepID]; g > 0 {
		k += "~" + strconv.Itoa(g)
	}
	return k
}
