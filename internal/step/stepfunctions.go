package step

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// StateMachines makes the calls of stepfunctions steps.
//
// A Standard state machine is started under a name made of the step's key, so
// that starting it twice starts it once, and then looked at again and again
// until its execution has ended; between two looks nobody waits. An Express one
// runs within the call. It has no names that count, no history to look at and
// no way to stop it: an unclear answer stays one.
type StateMachines struct {
	api *sfn.Client
	now func() time.Time
	log *slog.Logger
}

// NewStateMachines makes a caller from the SDK's configuration. log nil: it
// discards.
func NewStateMachines(cfg aws.Config, now func() time.Time, log *slog.Logger) *StateMachines {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &StateMachines{api: sfn.NewFromConfig(cfg), now: now, log: log}
}

// InRegion makes a caller of a region with the credentials that the SDK finds
// by itself. It makes no call.
func InRegion(ctx context.Context, region string, now func() time.Time, log *slog.Logger) (*StateMachines, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return nil, err
	}
	return NewStateMachines(cfg, now, log), nil
}

// machine is the evaluated request of a step.
type machine struct {
	arn     string
	input   string
	express bool
}

// started is what is known of a Standard execution between two calls.
type started struct {
	ARN string `json:"arn,omitempty"` // "" before it is started
	At  int64  `json:"at,omitempty"`  // when that was, Unix ms
	// Failed counts the executions of this step that have ended badly: the next
	// attempt is another execution and needs another name.
	Failed int `json:"failed,omitempty"`
	// Refused is the code that looks are refused with; "" while they are not. It
	// is kept so that the log says so once and not with every look.
	Refused string `json:"refused,omitempty"`
}

// Call makes one attempt, or goes on with the one that c.State tells of.
func (s *StateMachines) Call(ctx context.Context, c Call) Result {
	var st started
	if len(c.State) > 0 {
		if err := json.Unmarshal(c.State, &st); err != nil {
			return Result{Err: &Error{Category: retry.Internal, Code: "state", Message: "what was begun before cannot be read"}}
		}
	}
	if st.ARN != "" {
		return s.look(ctx, c, st)
	}
	m, fault := machineOf(c.Request)
	switch {
	case fault != nil:
		return Result{Err: fault, State: c.State}
	case m.express:
		return s.runExpress(ctx, c, m)
	}
	return s.start(ctx, c, m, st)
}

func machineOf(request any) (m machine, fault *Error) {
	o, _ := request.(map[string]any)
	m.arn, _ = o["stateMachine"].(string)
	m.express, _ = o["express"].(bool)
	if !strings.Contains(m.arn, ":stateMachine:") {
		return m, invalid("stateMachine must be the ARN of a state machine")
	}
	input := o["input"]
	if input == nil {
		input = map[string]any{} // what Step Functions takes an absent input for
	}
	b, err := expr.Encode(input)
	if err != nil {
		return m, invalid("input cannot be written as JSON")
	}
	m.input = string(b)
	return m, nil
}

// start starts the execution, or finds the one that was started before.
func (s *StateMachines) start(ctx context.Context, c Call, m machine, st started) Result {
	name := executionName(c, st.Failed)
	var d departure
	out, err := s.api.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &m.arn, Name: &name, Input: &m.input,
	}, d.watch)
	var exists *types.ExecutionAlreadyExists
	switch {
	case err == nil && kindOf(aws.ToString(out.ExecutionArn)) == "express":
		// Nobody can look at it, and its name does not keep it from being started again.
		return Result{Err: &Error{
			Category: retry.Validation, Code: "express_machine", Answered: true,
			Message: "the state machine is an Express one: set express: true; it was started and its effect may have happened",
		}}
	case err == nil:
		st.ARN, st.At = aws.ToString(out.ExecutionArn), s.now().UnixMilli()
		if out.StartDate != nil {
			st.At = out.StartDate.UnixMilli()
		}
		return Result{Again: firstLook, State: st.encode()}
	case asError(err, &exists): // it has ended already: our start of it was never recorded
		st.ARN, st.At = executionARN(m.arn, name), s.now().UnixMilli()
		return s.look(ctx, c, st)
	}
	return Result{Err: callError(ctx, "StartExecution", &d, err), State: c.State}
}

// Times between two looks: a quarter of what the execution has taken so far,
// within these bounds.
const (
	firstLook = time.Second
	lastLook  = time.Minute
)

func (s *StateMachines) nextLook(st started) time.Duration {
	return min(max(s.now().Sub(time.UnixMilli(st.At))/4, firstLook), lastLook)
}

// look asks how the execution is.
func (s *StateMachines) look(ctx context.Context, c Call, st started) Result {
	var d departure
	out, err := s.api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &st.ARN}, d.watch)
	if err != nil {
		return s.unseen(c, st, callError(ctx, "DescribeExecution", &d, err))
	}
	st.Refused = ""
	if out.StartDate != nil {
		st.At = out.StartDate.UnixMilli()
	}
	began := time.UnixMilli(st.At)
	switch out.Status {
	case types.ExecutionStatusRunning, types.ExecutionStatusPendingRedrive:
		return Result{Again: s.nextLook(st), State: st.encode()}
	case types.ExecutionStatusSucceeded:
		res := outcome(aws.ToString(out.Output))
		res.Began = began
		return res
	}
	return Result{
		Err:   executionError(out.Status, aws.ToString(out.Error)),
		State: started{Failed: st.Failed + 1}.encode(), Began: began,
	}
}

// unseen is what follows from a look that failed. That is no failure of the
// execution, which goes on, unless it says that there is nothing to ask for. A
// permission that is missing may be given, and expired credentials renewed; how
// long that may take is for the timeouts of the step and the execution to say.
func (s *StateMachines) unseen(c Call, st started, fault *Error) Result {
	switch {
	case fault.Code == "ExecutionDoesNotExist", fault.Code == "InvalidArn", fault.Category == retry.Cancelled:
		fault.Unclear = false // a question has no effect
		return Result{Err: fault, State: st.encode()}
	case !fault.Category.Retried() && st.Refused != fault.Code:
		st.Refused = fault.Code
		s.log.Warn("Step Functions does not let us see how a state machine's execution goes; the step waits and looks again",
			"key", c.Key, "operation", "DescribeExecution", "code", fault.Code)
	}
	return Result{Again: s.nextLook(st), State: st.encode()}
}

// Stop ends the execution that a call has started, or may have: where its start
// was never recorded its name tells which it is.
func (s *StateMachines) Stop(ctx context.Context, c Call) error {
	var st started
	if len(c.State) > 0 {
		if err := json.Unmarshal(c.State, &st); err != nil {
			return err
		}
	}
	if st.ARN == "" {
		if m, fault := machineOf(c.Request); fault == nil && !m.express {
			st.ARN = executionARN(m.arn, executionName(c, st.Failed))
		}
	}
	if st.ARN == "" {
		return nil // nothing can have begun
	}
	_, err := s.api.StopExecution(ctx, &sfn.StopExecutionInput{
		ExecutionArn: &st.ARN, Error: aws.String("Stepline.Stopped"), Cause: aws.String("the Stepline execution that waited for it has ended"),
	})
	var none *types.ExecutionDoesNotExist
	if asError(err, &none) {
		return nil
	}
	return err
}

func (st started) encode() json.RawMessage {
	b, _ := json.Marshal(st) // strings and numbers cannot fail
	return b
}

// Limits of an execution's name, in characters.
const (
	maxName  = 80
	hashName = 16
)

// executionName is the name of the execution that a call stands for: the same
// for every worker that makes the call, another for another run of ours and
// after an execution that has failed. Letters, digits, - and _ only, since
// others keep Step Functions from logging.
func executionName(c Call, failed int) string {
	key, first := c.Key, c.Run <= 1 && failed == 0
	name := strings.NewReplacer("/", "-", "~", "-").Replace(key)
	if first && len(name) <= maxName && !strings.Contains(key, "~") {
		return name
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", key, c.Run, failed))
	return name[:min(len(name), maxName-hashName-1)] + "-" + hex.EncodeToString(sum[:hashName/2])
}

// kindOf is the kind of thing that an ARN names: stateMachine, execution, express.
func kindOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 5 {
		return parts[5]
	}
	return ""
}

// executionARN is the ARN of a state machine's execution of this name. An alias
// or a version is no part of it.
func executionARN(stateMachine, name string) string {
	parts := strings.Split(stateMachine, ":")
	if len(parts) < 7 {
		return ""
	}
	parts[5] = "execution"
	return strings.Join(append(parts[:7:7], name), ":")
}
