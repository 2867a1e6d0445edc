package api

// Operation is the route's name in the OpenAPI document and, with a capital,
// of its event in template.yaml. It stays when a template gives the call
// another path.
func (r *Route) Operation() string { return operationID(r) }
