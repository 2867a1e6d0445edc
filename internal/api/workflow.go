package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/registry"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Stored answers a PUT of a workflow.
type Stored struct {
	Name     string           `json:"name"`
	Version  int              `json:"version"`
	Warnings []workflow.Fault `json:"warnings"`
}

// Named is a workflow in a list, and after a change of its live version.
type Named struct {
	Name      string    `json:"name"`
	Version   int       `json:"version"` // the live one
	Latest    int       `json:"latest"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// Shown is a workflow with the document of its live version.
type Shown struct {
	Named
	Document json.RawMessage `json:"document"`
}

// Listed is a version in a list.
type Listed struct {
	Version   int       `json:"version"`
	Live      bool      `json:"live"`
	CreatedAt time.Time `json:"createdAt"`
	SHA256    string    `json:"sha256"`
}

// ShownVersion is one version with its document.
type ShownVersion struct {
	Name string `json:"name"`
	Listed
	Document json.RawMessage `json:"document"`
}

// Checked answers a validation.
type Checked struct {
	Valid    bool             `json:"valid"`
	Warnings []workflow.Fault `json:"warnings"`
}

func (n Named) name() string { return n.Name }

func workflowNamed(f registry.Workflow) Named {
	return Named{Name: f.Name, Version: f.Live, Latest: f.Latest, UpdatedAt: f.Updated}
}

func listed(v registry.Version, live int) Listed {
	return Listed{Version: v.Version, Live: v.Version == live, CreatedAt: v.Created, SHA256: v.SHA256}
}

func (a *API) putWorkflow(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	doc, err := readDocument(w, r, name)
	if err != nil {
		return err
	}
	version, created, err := a.registry.Put(r.Context(), tenantOf(r), name, doc)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	a.locate(w, "getWorkflowsNameVersionsVersion", "name", name, "version", strconv.Itoa(version))
	return respond(w, status, Stored{Name: name, Version: version, Warnings: warnings(doc)})
}

func (a *API) validateWorkflow(w http.ResponseWriter, r *http.Request) error {
	doc, err := readDocument(w, r, r.PathValue("name"))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, Checked{Valid: true, Warnings: warnings(doc)})
}

// warnings are a document's, a list also where there are none.
func warnings(doc *workflow.Document) []workflow.Fault {
	return append([]workflow.Fault{}, doc.Warnings()...)
}

func (a *API) getWorkflow(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	f, err := a.registry.Get(r.Context(), tenantOf(r), name)
	if err != nil {
		return err
	}
	v, err := a.registry.Version(r.Context(), tenantOf(r), name, f.Live)
	if err != nil {
		return err
	}
	return respondTagged(w, r, Shown{Named: workflowNamed(f), Document: v.Source})
}

func (a *API) deleteWorkflow(w http.ResponseWriter, r *http.Request) error {
	if err := a.registry.Delete(r.Context(), tenantOf(r), r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) listWorkflows(w http.ResponseWriter, r *http.Request) error {
	return listNamed(w, r, a.registry.List, workflowNamed)
}

func (a *API) listVersions(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	f, err := a.registry.Get(r.Context(), tenantOf(r), name)
	if err != nil {
		return err
	}
	found, err := a.registry.Versions(r.Context(), tenantOf(r), name)
	if err != nil {
		return err
	}
	out := page[Listed]{Items: make([]Listed, 0, len(found))}
	for _, v := range found {
		out.Items = append(out.Items, listed(v, f.Live))
	}
	return respond(w, http.StatusOK, out)
}

func (a *API) getVersion(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	n, err := strconv.Atoi(r.PathValue("version"))
	if err != nil || n < 1 {
		return problem.New(problem.NotFound, "a version is a whole number, at least 1")
	}
	f, err := a.registry.Get(r.Context(), tenantOf(r), name)
	if err != nil {
		return err
	}
	v, err := a.registry.Version(r.Context(), tenantOf(r), name, n)
	if err != nil {
		return err
	}
	return respondTagged(w, r, ShownVersion{Name: name, Listed: listed(v, f.Live), Document: v.Source})
}

func (a *API) getLive(w http.ResponseWriter, r *http.Request) error {
	f, err := a.registry.Get(r.Context(), tenantOf(r), r.PathValue("name"))
	if err != nil {
		return err
	}
	return respondTagged(w, r, workflowNamed(f))
}

func (a *API) putLive(w http.ResponseWriter, r *http.Request) error {
	b, err := readJSON(w, r, maxSmall)
	if err != nil {
		return err
	}
	o := parseObject(b, "version")
	version := o.positive("version")
	if o.raw("version") == nil {
		o.lacks("version", "the version that new executions run")
	}
	if err := o.err(); err != nil {
		return err
	}
	f, err := a.registry.SetLive(r.Context(), tenantOf(r), r.PathValue("name"), version)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, workflowNamed(f))
}

func (a *API) workflowSchema(w http.ResponseWriter, r *http.Request) error {
	return respondTagged(w, r, json.RawMessage(workflow.Schema()))
}

func (a *API) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	doc, err := a.openAPI()
	if err != nil {
		return err
	}
	return respondTagged(w, r, json.RawMessage(doc))
}
