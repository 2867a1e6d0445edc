package api

import (
	"net/http"

	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

// executionID is the id in the path. One that cannot exist is not found, and
// never becomes a key.
func executionID(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if _, err := record.CreatedAt(id); err != nil {
		return "", problem.New(problem.NotFound, "there is no such execution")
	}
	return id, nil
}

// read is the execution in the path, in its latest run or the one asked for.
func (a *API) read(r *http.Request) (*history.Execution, error) {
	id, err := executionID(r)
	if err != nil {
		return nil, err
	}
	run, err := number(r.URL.Query(), "run", 0, 1<<31-1)
	if err != nil {
		return nil, err
	}
	if run == 0 {
		return a.reads.Get(r.Context(), tenantOf(r), id)
	}
	return a.reads.GetRun(r.Context(), tenantOf(r), id, run)
}

func (a *API) getExecution(w http.ResponseWriter, r *http.Request) error {
	x, err := a.read(r)
	if err != nil {
		return err
	}
	return respondTagged(w, r, x)
}

func (a *API) getTimeline(w http.ResponseWriter, r *http.Request) error {
	x, err := a.read(r)
	if err != nil {
		return err
	}
	return respondTagged(w, r, page[Event]{Items: timeline(x)})
}

// Accepted answers what will happen to an execution, but has not yet.
type Accepted struct {
	ID string `json:"id"`
}

func (a *API) accepted(w http.ResponseWriter, id string) error {
	a.locate(w, "getExecutionsId", "id", id)
	return respond(w, http.StatusAccepted, Accepted{ID: id})
}

func (a *API) cancelExecution(w http.ResponseWriter, r *http.Request) error {
	id, err := executionID(r)
	if err != nil {
		return err
	}
	if err := a.engine.Cancel(r.Context(), tenantOf(r), id); err != nil {
		return err
	}
	return a.accepted(w, id)
}

func (a *API) pauseExecution(w http.ResponseWriter, r *http.Request) error {
	id, err := executionID(r)
	if err != nil {
		return err
	}
	b, err := readJSON(w, r, maxSmall)
	if err != nil {
		return err
	}
	if err := parseObject(b).err(); err != nil {
		return err
	}
	if err := a.engine.Pause(r.Context(), tenantOf(r), id); err != nil {
		return err
	}
	return a.accepted(w, id)
}

func (a *API) resumeExecution(w http.ResponseWriter, r *http.Request) error {
	id, err := executionID(r)
	if err != nil {
		return err
	}
	b, err := readJSON(w, r, maxSmall)
	if err != nil {
		return err
	}
	o := parseObject(b, "step", "as")
	d := runner.Decision{Step: o.text("step"), As: o.choice("as", "", runner.Again, runner.AsFailed)}
	switch {
	case o.raw("step") != nil && o.raw("as") == nil:
		o.lacks("as", "again or failed, for the step")
	case o.raw("as") != nil && o.raw("step") == nil:
		o.lacks("step", "the step to decide about")
	}
	if err := o.err(); err != nil {
		return err
	}
	if err := a.engine.Resume(r.Context(), tenantOf(r), id, d); err != nil {
		return err
	}
	return a.accepted(w, id)
}

func (a *API) retryExecution(w http.ResponseWriter, r *http.Request) error {
	id, err := executionID(r)
	if err != nil {
		return err
	}
	b, err := readJSON(w, r, maxStart)
	if err != nil {
		return err
	}
	o := parseObject(b, "from", "version", "input")
	req := runner.RetryRequest{
		From:  o.text("from"),
		Live:  o.choice("version", "pinned", "pinned", "live") == "live",
		Input: o.raw("input"),
	}
	if req.From == "" {
		req.From = runner.FromFailed
	}
	if err := inputFits(req.Input); err != nil {
		return err
	}
	if err := o.err(); err != nil {
		return err
	}
	if err := a.engine.Retry(r.Context(), tenantOf(r), id, req); err != nil {
		return err
	}
	return a.accepted(w, id)
}

// complete takes what a waiting step waits for. The token is the
// authentication; the engine checks it before anything is read or written.
func (a *API) complete(w http.ResponseWriter, r *http.Request) error {
	b, err := readJSON(w, r, maxCallback)
	if err != nil {
		return err
	}
	if err := a.engine.Callback(r.Context(), r.PathValue("token"), b); err != nil {
		return err
	}
	return respond(w, http.StatusOK, State{Status: "accepted"})
}

// State is an answer of one word.
type State struct {
	Status string `json:"status"`
}

// health says no more than whether the service can do its work. What is wrong is
// in the log already, and those who ask often would fill it.
func (a *API) health(w http.ResponseWriter, _ *http.Request) error {
	if a.trouble != nil {
		if err := a.trouble(); err != nil {
			writeProblem(w, of(problem.Unavailable, "The store takes no writes; the log says why.", nil))
			return nil //nolint:nilerr // answered
		}
	}
	return respond(w, http.StatusOK, State{Status: "ok"})
}
