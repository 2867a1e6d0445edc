package api

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// notation is how a document is written.
type notation int

const (
	guessed notation = iota // by its first character
	inJSON
	inYAML
)

// readDocument reads the workflow document that a request puts under a name.
func readDocument(w http.ResponseWriter, r *http.Request, name string) (*workflow.Document, error) {
	n, err := notationOf(r)
	if err != nil {
		return nil, err
	}
	b, err := readBody(w, r, maxDocument)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, problem.New(problem.BadRequest, "the request body is empty; a workflow document in JSON or YAML is expected")
	}
	if n == guessed {
		n = guess(b)
	}
	doc, err := parseDocument(b, n, name)
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

// notationOf is the notation that the content type names. None, and what curl
// says when it is told nothing, leave it to the document.
func notationOf(r *http.Request) (notation, error) {
	t, err := mediaType(r)
	switch {
	case err != nil:
	case t == "" || t == curlType || t == "text/plain" || t == "application/octet-stream":
		return guessed, nil
	case t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json"):
		return inJSON, nil
	case t == "application/yaml" || t == "application/x-yaml" || t == "text/yaml" || t == "text/x-yaml" || strings.HasSuffix(t, "+yaml"):
		return inYAML, nil
	}
	return guessed, problem.New(problem.Unsupported, "Content-Type must be application/json or application/yaml")
}

// guess takes what begins like a JSON object for JSON: its errors then name the
// place as JSON counts it.
func guess(b []byte) notation {
	if b = bytes.TrimSpace(b); b[0] == '{' {
		return inJSON
	}
	return inYAML
}

func parseDocument(b []byte, n notation, name string) (*workflow.Document, error) {
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
