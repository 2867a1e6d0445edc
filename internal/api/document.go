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
	b, err := documentBytes(w, r)
	if err != nil {
		return nil, err
	}
	doc, err := workflow.Parse(b)
	if err != nil {
		return nil, documentFault(err)
	}
	return doc, named(doc.Name, name, "workflow")
}

// readSource reads the source that a request puts under a name.
func readSource(w http.ResponseWriter, r *http.Request, name string) (*workflow.Source, error) {
	b, err := documentBytes(w, r)
	if err != nil {
		return nil, err
	}
	src, err := workflow.ParseSource(b)
	if err != nil {
		return nil, documentFault(err)
	}
	return src, named(src.Name, name, "source")
}

// named demands that a document is put under its own name.
func named(got, want, what string) error {
	if got == want {
		return nil
	}
	return &problem.Error{
		Code: problem.Invalid, Detail: "the document is of another " + what,
		Faults: []workflow.Fault{{Pointer: "/name", Detail: "must be " + want + ", as in the address"}},
	}
}

func documentBytes(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if err := acceptsDocument(r); err != nil {
		return nil, err
	}
	b, err := readBody(w, r, maxDocument)
	if err == nil && len(bytes.TrimSpace(b)) == 0 {
		err = problem.New(problem.BadRequest, "the request body is empty; a document in JSON or YAML is expected")
	}
	return b, err
}

// acceptsDocument refuses a content type that names another notation than JSON
// or YAML. Which of the two it is shows in the document itself.
func acceptsDocument(r *http.Request) error {
	if err := uncoded(r); err != nil {
		return err
	}
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

func documentFault(err error) error {
	var faults workflow.Faults
	if errors.As(err, &faults) {
		return &problem.Error{Code: problem.Invalid, Detail: "the document has " + count(len(faults), "fault"), Faults: faults}
	}
	return problem.New(problem.BadRequest, err.Error())
}
