package api

import (
	"errors"
	"net/http"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// readDocument reads the workflow document that a request puts under a name.
func readDocument(w http.ResponseWriter, r *http.Request, name string) (*workflow.Document, error) {
	b, err := readBody(w, r, maxDocument)
	if err != nil {
		return nil, err
	}
	doc, err := workflow.Parse(b)
	var faults workflow.Faults
	switch {
	case errors.As(err, &faults):
		return nil, &problem.Error{Code: problem.Invalid, Detail: "the document has " + count(len(faults), "fault"), Faults: faults}
	case err != nil:
		return nil, problem.New(problem.BadRequest, err.Error())
	}
	_ = name
	return doc, nil
}
