package api

import "net/http"

// The functions that serve routes; each is one Lambda function.
const (
	Execute = "execute"
	Status  = "status"
	Cancel  = "cancel"
	Admin   = "admin"
	Webhook = "webhook"
)

// Role is who may make a call; each includes the ones before it.
type Role string

// The roles.
const (
	None     Role = "none" // anyone: nothing is shown that is not public
	Viewer   Role = "viewer"
	Operator Role = "operator"
)

// Route is one call.
type Route struct {
	Method   string
	Pattern  string // with {wildcards}, as net/http's ServeMux reads it
	Function string // that serves it
	Role     Role
	Audited  bool // leaves an audit record: an operator's changes
	Summary  string

	operation string // the call's name where Pattern is not the one it is made of

	query   []param
	headers []param
	body    *body
	answers []answer
	refuses []int // statuses of problems besides those every route may answer
	handle  func(*API, http.ResponseWriter, *http.Request) error
}

// param is a query parameter or a request header.
type param struct {
	name, about string
	schema      schema
}

// body is what a request carries.
type body struct {
	schema   schema
	types    []string // media types
	optional bool
}

// answer is a successful answer.
type answer struct {
	status int
	about  string
	value  any // of the type that is answered; nil: no body
	header []string
}
