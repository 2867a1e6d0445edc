package api

import (
	"net/http"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// page is a list as answered; Next is absent on the last one.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// Summary is an execution in a list: what one small record tells of it.
type Summary struct {
	ID         string            `json:"id"`
	Workflow   string            `json:"workflow"`
	Version    int               `json:"version"`
	Run        int               `json:"run"`
	Status     record.Status     `json:"status"`
	Priority   string            `json:"priority"`
	Tags       map[string]string `json:"tags"`
	CreatedAt  time.Time         `json:"createdAt"`
	StartedAt  *time.Time        `json:"startedAt"`
	EndedAt    *time.Time        `json:"endedAt"`
	Deadline   time.Time         `json:"deadline"`
	Error      *history.Error    `json:"error"`
	WaitingFor []history.Wait    `json:"waitingFor"`
}

func (a *API) listExecutions(w http.ResponseWriter, r *http.Request) error {
	f, err := filterOf(r.URL.Query())
	if err != nil {
		return err
	}
	found, err := a.reads.List(r.Context(), tenantOf(r), f)
	if err != nil {
		return err
	}
	out := page[Summary]{Items: make([]Summary, 0, len(found.Items)), Next: found.Next}
	for _, x := range found.Items {
		out.Items = append(out.Items, Summary{
			ID: x.ID, Workflow: x.Workflow, Version: x.Version, Run: x.Run, Status: x.Status,
			Priority: x.Priority, Tags: x.Tags, CreatedAt: x.CreatedAt, StartedAt: x.StartedAt,
			EndedAt: x.EndedAt, Deadline: x.Deadline, Error: x.Error, WaitingFor: x.WaitingFor,
		})
	}
	return respond(w, http.StatusOK, out)
}
