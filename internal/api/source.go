package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/registry"
	"github.com/seed-926d1ba8/stepline/internal/webhook"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// StoredSource answers a PUT of a source.
type StoredSource struct {
	Name     string           `json:"name"`
	Warnings []workflow.Fault `json:"warnings"`
}

// NamedSource is a source in a list.
type NamedSource struct {
	Name      string    `json:"name"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// ShownSource is a source with its document, which names secrets and holds
// none.
type ShownSource struct {
	NamedSource
	Document json.RawMessage `json:"document"`
}

// Received answers an event.
type Received struct {
	Event      string   `json:"event"`
	Executions []string `json:"executions"`
}

func (s NamedSource) name() string { return s.Name }

func sourceNamed(s registry.Source) NamedSource {
	return NamedSource{Name: s.Name, UpdatedAt: s.Updated}
}

func (a *API) putSource(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	src, err := readSource(w, r, name)
	if err != nil {
		return err
	}
	created, err := a.sources.PutSource(r.Context(), tenantOf(r), name, src)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	a.locate(w, "getSourcesName", "name", name)
	return respond(w, status, StoredSource{Name: name, Warnings: append(a.startWarnings(r, src), src.Warnings()...)})
}

// startWarnings tell of a workflow that is not there: it may come later.
func (a *API) startWarnings(r *http.Request, src *workflow.Source) []workflow.Fault {
	_, err := a.registry.Get(r.Context(), tenantOf(r), src.Workflow)
	if problem.CodeOf(err) != problem.NotFound {
		return []workflow.Fault{}
	}
	return []workflow.Fault{{Pointer: "/start/workflow", Detail: "there is no workflow of this name yet; events are refused until there is"}}
}

func (a *API) getSource(w http.ResponseWriter, r *http.Request) error {
	s, err := a.sources.Source(r.Context(), tenantOf(r), r.PathValue("name"))
	if err != nil {
		return err
	}
	return respondTagged(w, r, ShownSource{NamedSource: sourceNamed(s), Document: s.Source})
}

func (a *API) deleteSource(w http.ResponseWriter, r *http.Request) error {
	if err := a.sources.DeleteSource(r.Context(), tenantOf(r), r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) listSources(w http.ResponseWriter, r *http.Request) error {
	return listNamed(w, r, a.sources.Sources, sourceNamed)
}

// reserved is the name of what is not a source on the webhook address.
const reserved = "-"

// receiveEvent takes an event. Its body is read whole before anything is looked
// up, so that the answer to a stranger does not depend on what there is.
func (a *API) receiveEvent(w http.ResponseWriter, r *http.Request) error {
	tenant, source := r.PathValue("tenant"), r.PathValue("source")
	if tenant == reserved || tenant == "" && source == reserved {
		notFound(w)
		return nil
	}
	if tenant == "" {
		tenant = DefaultTenant
	}
	body, err := readBody(w, r, MaxEvent)
	if err != nil {
		return err
	}
	got, err := a.events.Receive(r.Context(), webhook.Delivery{Tenant: tenant, Source: source, Header: r.Header, Body: body})
	if err != nil {
		return err
	}
	status := http.StatusAccepted
	if got.Repeated {
		status = http.StatusOK
	}
	return respond(w, status, Received{Event: got.Event, Executions: got.Executions})
}
