package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// maxDelay is how far ahead a start may be put.
const maxDelay = 365 * 24 * time.Hour

// start begins an execution, or finds the one that this idempotency key began.
//
// Once the engine has answered, the execution exists: nothing that goes wrong
// afterwards, in waiting for it or reading it, is an error of this call.
func (a *API) start(w http.ResponseWriter, r *http.Request) error {
	key, err := idempotencyKey(r.Header)
	if err != nil {
		return err
	}
	body, err := readJSON(w, r, maxStart)
	if err != nil {
		return err
	}
	req, err := parseStart(body)
	if err != nil {
		return err
	}
	req.Tenant, req.Key = tenantOf(r), key
	if key != "" {
		req.Body = sha256.Sum256(body)
	}
	started, err := a.engine.Start(r.Context(), req)
	if err != nil {
		return err
	}
	h := w.Header()
	a.locate(w, "getExecutionsId", "id", started.ID)
	if started.Replayed {
		h.Set("Idempotency-Replayed", "true")
	}
	x, err := a.afterStart(w, r, req.Tenant, started)
	switch {
	case err != nil:
		return err
	case x != nil:
		return respond(w, statusOfStart(x), x)
	}
	send(w, http.StatusAccepted, appendStarted(make([]byte, 0, 768+len(req.Input)), &req, &started))
	return nil
}

// afterStart is the execution as it stands, where the caller has waited for its
// end, in vain or not, or asks again; nil where the plain answer to a start is due. Only a replay,
// which has started nothing, fails with what reading fails with.
func (a *API) afterStart(w http.ResponseWriter, r *http.Request, tenant string, s runner.Started) (*history.Execution, error) {
	ended := s.Ended
	var end *runner.Ended
	wait, preferred := preferredWait(r.Header)
	if preferred {
		w.Header().Set("Preference-Applied", fmt.Sprintf("wait=%d", int(wait.Seconds())))
		if wait > 0 && !ended {
			var err error
			end, err = a.await(r.Context(), wait, tenant, s.ID)
			ended = err == nil
		}
	}
	waited := preferred && wait > 0
	if !waited && !ended && !s.Replayed {
		return nil, nil
	}
	x, err := a.readEnd(r.Context(), tenant, s.ID, end)
	switch {
	case err != nil && s.Replayed && problem.CodeOf(err) != problem.NotFound:
		return nil, err
	case err != nil:
		return nil, nil //nolint:nilerr // what was started exists, whether it can be read or not
	case x.Status.Terminal():
		return x, nil
	}
	open := *x
	open.Steps, open.Cost = nil, nil
	return &open, nil
}

// await waits for the end, no longer than wait and than the server takes requests.
func (a *API) await(ctx context.Context, wait time.Duration, tenant, id string) (*runner.Ended, error) {
	ctx, stop := context.WithTimeout(ctx, wait)
	defer stop()
	if drain, ok := ctx.Value(drainKey{}).(context.Context); ok {
		defer context.AfterFunc(drain, stop)()
	}
	return a.engine.Await(ctx, tenant, id)
}

type drainKey struct{}

// WithDrain is ctx for the requests of a server that drains when drain ends.
// Whoever waits for the end of an execution then gets it at once as it stands;
// everything else that is under way goes on.
func WithDrain(ctx, drain context.Context) context.Context {
	return context.WithValue(ctx, drainKey{}, drain)
}

// readEnd is an execution as it ended, where that is known, or as it is stored.
func (a *API) readEnd(ctx context.Context, tenant, id string, end *runner.Ended) (*history.Execution, error) {
	if end != nil {
		return a.reads.Ended(ctx, end.Meta, end.Steps)
	}
	return a.reads.Get(ctx, tenant, id)
}

func statusOfStart(x *history.Execution) int {
	if x.Status.Terminal() {
		return http.StatusOK
	}
	return http.StatusAccepted
}

func parseStart(body json.RawMessage) (runner.StartRequest, error) {
	o := parseObject(body, "workflow", "version", "input", "priority", "tags", "delay", "timeout", "stepFunctions")
	s := runner.StartRequest{
		Workflow: o.required("workflow"),
		Version:  o.positive("version"),
		Input:    o.raw("input"),
		Priority: queue.Lane(o.choice("priority", string(queue.Normal), string(queue.High), string(queue.Normal), string(queue.Low))),
		Tags:     o.labels("tags"),
		Delay:    o.span("delay", 0, maxDelay),
		Timeout:  o.span("timeout", time.Millisecond, workflow.MaxTimeout),
		Task:     parseTask(o, "stepFunctions"),
	}
	if err := inputFits(s.Input); err != nil {
		return s, err
	}
	return s, o.err()
}

// MaxTaskToken is the longest token that Step Functions takes, in characters.
const MaxTaskToken = 2048

// parseTask is the task of Step Functions that waits for the execution, nil for
// none. No fault quotes the token: it is a credential.
func parseTask(o *object, name string) *runner.TaskRequest {
	raw := o.raw(name)
	if raw == nil {
		return nil
	}
	in := parseObject(raw, "taskToken", "heartbeat")
	t := &runner.TaskRequest{
		Token:     in.required("taskToken"),
		Heartbeat: in.span("heartbeat", runner.MinHeartbeat, workflow.MaxTimeout),
	}
	if n := utf8.RuneCountInString(t.Token); n > MaxTaskToken {
		in.fault("/taskToken", fmt.Sprintf("must have at most %d characters, not %d", MaxTaskToken, n))
	}
	o.within(name, in)
	return t
}

func inputFits(input json.RawMessage) error {
	if len(input) > MaxInput {
		return problem.New(problem.TooLarge, fmt.Sprintf("input must be at most %d bytes, not %d", MaxInput, len(input)))
	}
	return nil
}

// appendStarted writes the execution that a start has just made, by hand and
// without a read: this answer is given a thousand times a second.
func appendStarted(b []byte, req *runner.StartRequest, s *runner.Started) []byte {
	b = append(b, `{"id":`...)
	b = appendText(b, s.ID)
	b = append(b, `,"workflow":`...)
	b = appendText(b, s.Workflow)
	b = fmt.Appendf(b, `,"version":%d,"run":1,"status":"%s","priority":`, s.Version, record.Queued)
	b = appendText(b, string(req.Priority))
	b = append(b, `,"tags":`...)
	if len(req.Tags) == 0 {
		b = append(b, "{}"...)
	} else {
		tags, _ := json.Marshal(req.Tags) // strings cannot fail
		b = append(b, tags...)
	}
	b = append(b, `,"createdAt":`...)
	b = appendTime(b, s.Created)
	b = append(b, `,"startedAt":null,"endedAt":null,"deadline":`...)
	b = appendTime(b, s.Deadline)
	if len(req.Input) > 0 {
		b = append(b, `,"input":`...)
		b = append(b, req.Input...)
	}
	b = append(b, `,"output":null,"error":null,"waitingFor":[`...)
	if req.Delay > 0 && !s.Replayed {
		b = append(b, `{"reason":"start","until":`...)
		b = appendTime(b, s.Created.Add(req.Delay))
		b = append(b, '}')
	}
	return append(b, "]}\n"...)
}
