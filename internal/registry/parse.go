package registry

import "github.com/seed-926d1ba8/stepline/internal/workflow"

// parse reads a stored source.
func parse(source []byte) (*workflow.Document, error) { return workflow.Parse(source) }
