package api

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// readDocument reads the workflow document that a request puts under a name.
func readDocument(w http.ResponseWriter, r *http.Request, name string) (*workflow.Document, error) {
	if err := acceptsDocument(r); err != nil {
		return nil, err
	}
	b, err := readBody(w, r, maxDocument)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, problem.New(problem.BadRequest, "the request body is empty; a workflow document in JSON or YAML is expected")
	}
	doc, err := parseDocument(b)
	if err != nil {
		return nil, err
	}
	if doc.Name != name {
		return nil, &problem.Error{
			Code: problem.Invalid, Detail: "the document is of another workflow",
			Faults: []workflow.Fault{{Pointer: "/name", Detail: "must be " + name + ", as in the address"}},
		}
	}
	return doc, nil
}

// acceptsDocument refuses a content type that names another notation than JSON
// or YAML. Which of the two it is shows in the document itself.
func acceptsDocument(r *http.Request) error {
	t, err := mediaType(r)
	switch {
	case err != nil:
	case t == "" || t == curlType || t == "text/plain" || t == "application/octet-stream":
		return nil
	case t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json"):
		return nil
	case t == "application/yaml" || t == "application/x-yaml" || t == "text/yaml" || t == "text/x-yaml" || strings.HasSuffix(t, "+yaml"):
		return nil
	}
	return problem.New(problem.Unsupported, "Content-Type must be application/json or application/yaml")
}

func parseDocument(b []byte) (*workflow.Document, error) {
	doc, err := workflow.Parse(b)
	var faults workflow.Faults
	switch {
	case errors.As(err, &faults):
		return nil, &problem.Error{Code: problem.Invalid, Detail: "the document has " + count(len(faults), "fault"), Faults: faults}
	case err != nil:
		return nil, problem.New(problem.BadRequest, err.Error())
	}
	return doc, nil
}
