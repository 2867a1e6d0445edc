// Package api is the HTTP interface: one table of routes, the handlers behind
// it, and what is generated from it.
//
// Routes (routes.go) is the only place that says which calls exist, which
// function serves each, who may make it and what it takes and answers. The
// handlers, the OpenAPI document, the answers 404 and 405 and the template test
// follow from it. Handler gives the part of one function: on Lambda each
// function serves its own, the one-machine program mounts all of them.
//
// Everything that can be wrong with a request is found before anything is
// done: size before the body is read, syntax (400, with line and column), then
// every wrong field at once (422, with pointers). Errors of the layers below
// are *problem.Error and keep their sentence; anything else becomes a bare 500,
// its cause only in the log. Every error is application/problem+json.
package api
