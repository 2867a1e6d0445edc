package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Problem is an error as answered (RFC 9457). Type is stable: a program may
// decide by it, so that two problems with one status can be told apart.
type Problem struct {
	Type   string           `json:"type"`
	Title  string           `json:"title"`
	Status int              `json:"status"`
	Detail string           `json:"detail"`
	Errors []workflow.Fault `json:"errors,omitempty"`

	retryAfter int // seconds; 0: no such header
}

// ProblemType starts the type of every problem.
const ProblemType = "urn:stepline:problem:"

var kinds = map[problem.Code]struct {
	status int
	title  string
}{
	problem.BadRequest:   {http.StatusBadRequest, "The request cannot be read"},
	problem.Unauthorized: {http.StatusUnauthorized, "Not authenticated"},
	problem.NotFound:     {http.StatusNotFound, "Not found"},
	problem.Conflict:     {http.StatusConflict, "Not possible in this state"},
	problem.TooLarge:     {http.StatusRequestEntityTooLarge, "Too large"},
	problem.Unsupported:  {http.StatusUnsupportedMediaType, "Unsupported content type"},
	problem.Invalid:      {http.StatusUnprocessableEntity, "The request is not valid"},
	problem.KeyReused:    {http.StatusUnprocessableEntity, "The idempotency key was used for another request"},
	problem.Unavailable:  {http.StatusServiceUnavailable, "Not available now"},
	problem.Internal:     {http.StatusInternalServerError, "Internal error"},
}

func internal() Problem {
	return of(problem.Internal, "Something went wrong on our side; the log has it under this request's X-Request-Id.", nil)
}

func of(code problem.Code, detail string, faults []workflow.Fault) Problem {
	k := kinds[code]
	return Problem{Type: ProblemType + string(code), Title: k.title, Status: k.status, Detail: detail, Errors: faults}
}

func methodNotAllowed(method string) Problem {
	return Problem{
		Type: ProblemType + "method_not_allowed", Title: "Method not allowed", Status: http.StatusMethodNotAllowed,
		Detail: "This address does not take " + method + "; the header Allow says what it takes.",
	}
}

func notFound(w http.ResponseWriter) {
	writeProblem(w, of(problem.NotFound, "There is nothing at this address; GET /v1/openapi.json lists what there is.", nil))
}

// problemOf is the problem an error becomes. What is not meant for the caller
// becomes a bare 500.
func problemOf(err error) Problem {
	var p *problem.Error
	switch {
	case errors.Is(err, table.ErrFull): // also as the cause of another sentence: this one says what to do
		out := of(problem.Unavailable, "The store has no space left; the request was not carried out.", nil)
		out.retryAfter = 30
		return out
	case errors.As(err, &p) && p.Code != problem.Internal:
		if _, known := kinds[p.Code]; !known {
			return internal()
		}
		out := of(p.Code, p.Detail, p.Faults)
		if p.Code == problem.Unavailable {
			out.retryAfter = 1
		}
		return out
	case errors.Is(err, table.ErrBusy), errors.Is(err, queue.ErrBusy):
		out := of(problem.Unavailable, "The store is busy; nothing was written. Try again.", nil)
		out.retryAfter = 1
		return out
	case errors.Is(err, table.ErrUnknown), errors.Is(err, queue.ErrUnknown),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		out := of(problem.Unavailable, "The store did not answer in time; the request may or may not have been carried out.", nil)
		out.retryAfter = 1
		return out
	}
	return internal()
}

// fail answers an error, and logs the ones that are ours.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= 500 {
		level := slog.LevelError
		if errors.Is(r.Context().Err(), context.Canceled) {
			level = slog.LevelDebug // the caller has gone; a function that ran out of time is another matter
		}
		a.log.LogAttrs(r.Context(), level, "request failed", slog.Int("status", p.Status),
			slog.String("request", w.Header().Get("X-Request-Id")), slog.String("method", r.Method),
			slog.String("path", LogPath(r)), slog.Any("error", cause(err)))
	}
	writeProblem(w, p)
}

// cause is the error for the log: a problem's own sentence hides what it wraps.
func cause(err error) error {
	var p *problem.Error
	if errors.As(err, &p) && p.Cause != nil {
		return errors.Join(err, p.Cause)
	}
	return err
}

func writeProblem(w http.ResponseWriter, p Problem) {
	b, _ := encode(p) // strings and numbers cannot fail
	h := w.Header()
	for _, name := range []string{"Etag", "Location", "Cache-Control"} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(b) // the caller may have gone
}
