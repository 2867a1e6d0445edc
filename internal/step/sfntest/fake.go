package sfntest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Ending is how the executions of a state machine end.
type Ending struct {
	After  time.Duration // how long they run; an Express one answers at once
	Status string        // SUCCEEDED, FAILED or TIMED_OUT
	Output string        // of SUCCEEDED; "" is the input
	Error  string        // of FAILED and TIMED_OUT
	Cause  string
}

// Execution is one execution of a Standard state machine, or of an Express one.
type Execution struct {
	ARN, Machine, Name, Input string
	Started, Stopped          time.Time
	Aborted                   bool
	end                       Ending
}

// Fake is a Step Functions. It is safe for concurrent use.
type Fake struct {
	now func() time.Time

	mu       sync.Mutex
	machines map[string]machine // by ARN
	started  []*Execution
	faults   []fault
	calls    map[string]int
	tasks    map[string]*Task // by token
}

// machine is a state machine. ending says of its n-th execution, counted from 1,
// how it ends.
type machine struct {
	express bool
	ending  func(n int) Ending
}

type fault struct {
	operation string
	unreached bool // there is no connection
	answered  bool // the call is carried out, and its answer lost
	status    int
	kind      string
}

// New makes a Fake on a clock.
func New(now func() time.Time) *Fake {
	return &Fake{now: now, machines: map[string]machine{}, calls: map[string]int{}, tasks: map[string]*Task{}}
}

// Machine makes a Standard state machine, whose n-th execution ends as ending says.
func (f *Fake) Machine(arn string, ending func(n int) Ending) { f.make(arn, machine{ending: ending}) }

// Express makes an Express one.
func (f *Fake) Express(arn string, ending func(n int) Ending) { f.make(arn, machine{true, ending}) }

func (f *Fake) make(arn string, m machine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.machines[arn] = m
}

// Refuse makes the next call of an operation fail with an error of the service.
func (f *Fake) Refuse(operation string, status int, kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fault{operation: operation, status: status, kind: kind})
}

// Lose carries the next call of an operation out and loses the answer.
func (f *Fake) Lose(operation string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fault{operation: operation, answered: true})
}

// Unreach lets the next call of an operation find no connection.
func (f *Fake) Unreach(operation string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fault{operation: operation, unreached: true})
}

// Executions are all that were started, as they stand.
func (f *Fake) Executions() []Execution {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Execution
	for _, x := range f.started {
		out = append(out, *x)
	}
	return out
}

// Calls is how often an operation was called.
func (f *Fake) Calls(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[operation]
}

var (
	errLost      = errors.New("the connection was reset")
	errUnreached = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
)

// Do answers a request as the service would.
func (f *Fake) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AWSStepFunctions.")
	if !ok || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-amz-json-1.0" {
		return answer(refusal{"UnknownOperationException", "no such operation"}), nil
	}
	if sync := strings.HasPrefix(r.URL.Host, "sync-"); sync != (operation == "StartSyncExecution") {
		return nil, errors.New("the operation is not on this host: " + r.URL.Host)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err // the SDK sends nothing of the kind
	}
	return f.serve(operation, in)
}

func (f *Fake) serve(operation string, in map[string]any) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[operation]++
	lost := false
	for i, x := range f.faults {
		if x.operation != operation {
			continue
		}
		f.faults = append(f.faults[:i:i], f.faults[i+1:]...)
		if x.unreached {
			return nil, errUnreached
		}
		if !x.answered {
			return response(x.status, map[string]any{"__type": x.kind, "message": "told by the test"}), nil
		}
		lost = true
		break
	}
	out := answer(f.operate(operation, in))
	if lost {
		return nil, errLost
	}
	return out, nil
}

func (f *Fake) operate(operation string, in map[string]any) any {
	switch operation {
	case "StartExecution":
		return f.start(in)
	case "DescribeExecution":
		return f.describe(in)
	case "StopExecution":
		return f.stop(in)
	case "StartSyncExecution":
		return f.run(in)
	case "SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat":
		return f.tell(operation, in)
	}
	return refusal{"UnknownOperationException", "no such operation"}
}

// refusal is an error of the service: its kind and its message.
type refusal struct{ kind, message string }

func answer(v any) *http.Response {
	if r, refused := v.(refusal); refused {
		return response(http.StatusBadRequest, map[string]any{"__type": "com.amazonaws.swf.service.v2.model#" + r.kind, "message": r.message})
	}
	return response(http.StatusOK, v)
}

func response(status int, v any) *http.Response {
	b, _ := json.Marshal(v) // strings, numbers and maps of them
	return &http.Response{
		StatusCode: status, Body: io.NopCloser(bytes.NewReader(b)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"a-request"}},
	}
}

// nameShape is what, of ASCII, the reference allows a name to be made of, and
// its length.
var nameShape = regexp.MustCompile(`^[A-Za-z0-9_.+=@!()'-]{1,80}$`)

func text(in map[string]any, name string) string {
	s, _ := in[name].(string)
	return s
}

func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
