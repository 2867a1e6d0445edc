package sfntest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// begin checks what starts of both kinds have in common and makes the
// execution; it does not keep it. A running or ended Standard execution of the
// same name is found instead.
func (f *Fake) begin(in map[string]any) (*Execution, any) {
	arn, name, input := text(in, "stateMachineArn"), text(in, "name"), text(in, "input")
	m, known := f.machines[arn]
	switch {
	case !strings.HasPrefix(arn, "arn:aws:states:") || strings.Count(arn, ":") < 6:
		return nil, refusal{"InvalidArn", "Invalid Arn: 'Resource type not valid in this context'"}
	case !known:
		return nil, refusal{"StateMachineDoesNotExist", "State Machine Does Not Exist: '" + arn + "'"}
	case !nameShape.MatchString(name):
		return nil, refusal{"InvalidName", "Invalid Name: '" + name + "'"}
	case !json.Valid([]byte(input)):
		return nil, refusal{"InvalidExecutionInput", "Invalid State Machine Execution Input"}
	}
	parts := strings.Split(arn, ":")
	parts[5] = map[bool]string{false: "execution", true: "express"}[m.express]
	x := &Execution{ARN: strings.Join(append(parts[:7:7], name), ":"), Machine: arn, Name: name, Input: input, Started: f.now()}
	if m.express { // where names do not count, a number tells them apart
		x.ARN = fmt.Sprintf("%s:%d", x.ARN, len(f.started))
	}
	n := 1
	for _, other := range f.started {
		if other.ARN == x.ARN {
			return other, nil
		}
		if other.Machine == arn {
			n++
		}
	}
	x.end = m.ending(n)
	return x, nil
}

// start is StartExecution. It starts an Express one as well, which nobody can
// ask for afterwards.
func (f *Fake) start(in map[string]any) any {
	x, refused := f.begin(in)
	if refused != nil {
		return refused
	}
	for _, other := range f.started {
		if other != x {
			continue
		}
		// The same name: the same execution while it runs with the same input.
		if f.status(x) == "RUNNING" && x.Input == text(in, "input") {
			return map[string]any{"executionArn": x.ARN, "startDate": epoch(x.Started)}
		}
		return refusal{"ExecutionAlreadyExists", "Execution Already Exists: '" + x.ARN + "'"}
	}
	f.started = append(f.started, x)
	return map[string]any{"executionArn": x.ARN, "startDate": epoch(x.Started)}
}

func (f *Fake) status(x *Execution) string {
	switch {
	case x.Aborted:
		return "ABORTED"
	case f.now().Before(x.Started.Add(x.end.After)):
		return "RUNNING"
	}
	return x.end.Status
}

// find is the Standard execution that a call asks for. There is no asking for
// anything else.
func (f *Fake) find(in map[string]any) (*Execution, any) {
	arn := text(in, "executionArn")
	if parts := strings.Split(arn, ":"); len(parts) < 6 || parts[5] != "execution" {
		return nil, refusal{"InvalidArn", "Invalid Arn: 'Resource type not valid in this context'"}
	}
	for _, x := range f.started {
		if x.ARN == arn {
			return x, nil
		}
	}
	return nil, refusal{"ExecutionDoesNotExist", "Execution Does Not Exist: '" + arn + "'"}
}

func (f *Fake) describe(in map[string]any) any {
	x, refused := f.find(in)
	if refused != nil {
		return refused
	}
	out := map[string]any{
		"executionArn": x.ARN, "stateMachineArn": x.Machine, "name": x.Name, "status": f.status(x), "startDate": epoch(x.Started),
		"input": x.Input, "inputDetails": map[string]any{"included": true},
		"redriveCount": 0, "redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": "Execution is RUNNING and cannot be redriven",
	}
	switch out["status"] {
	case "RUNNING":
		return out
	case "SUCCEEDED":
		out["output"], out["outputDetails"] = x.output(), map[string]any{"included": true}
	default:
		out["error"], out["cause"] = x.end.Error, x.end.Cause
	}
	out["stopDate"] = epoch(f.now())
	return out
}

func (x *Execution) output() string {
	if x.end.Output == "" {
		return x.Input
	}
	return x.end.Output
}

func (f *Fake) stop(in map[string]any) any {
	x, refused := f.find(in)
	if refused != nil {
		return refused
	}
	if f.status(x) == "RUNNING" {
		x.Aborted, x.Stopped = true, f.now()
		x.end.Error, x.end.Cause = text(in, "error"), text(in, "cause")
	}
	return map[string]any{"stopDate": epoch(f.now())}
}

// run is StartSyncExecution: the answer has the end, and nothing is kept to be
// asked for.
func (f *Fake) run(in map[string]any) any {
	if m, known := f.machines[text(in, "stateMachineArn")]; known && !m.express {
		return refusal{"StateMachineTypeNotSupported", "This operation is not supported by this type of state machine"}
	}
	x, refused := f.begin(in)
	if refused != nil {
		return refused
	}
	f.started = append(f.started, x)
	out := map[string]any{
		"executionArn": x.ARN, "stateMachineArn": x.Machine, "name": x.Name, "status": x.end.Status,
		"startDate": epoch(x.Started), "stopDate": epoch(f.now()), "input": x.Input, "inputDetails": map[string]any{"included": true},
		"billingDetails": map[string]any{"billedDurationInMilliseconds": 100, "billedMemoryUsedInMB": 64},
	}
	if x.end.Status == "SUCCEEDED" {
		out["output"], out["outputDetails"] = x.output(), map[string]any{"included": true}
		return out
	}
	out["error"], out["cause"] = x.end.Error, x.end.Cause
	return out
}
