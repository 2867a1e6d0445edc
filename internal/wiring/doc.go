// Package wiring reads template.yaml, the SAM template that deploys Stepline,
// into what a program on one machine has to mount: routes, function URLs, lanes
// and schedules.
//
// The template is the only wiring (DESIGN 4): what runs locally is what
// deploys. So nothing here has a default of its own: where the template is
// silent, AWS's default holds, and what a function's event or a queue asks for
// and this package does not understand is refused, never ignored. Resources of
// other types (the table, dashboards) are left to CloudFormation. A mistake is
// one *Error with file, line, resource and what would be right.
//
// Two conventions tie the template to the code. A function's Handler (worker) is
// its name and its folder under functions, so that one binary may serve several
// functions. And the id of an HttpApi event is the
// name of the operation it carries (PostExecutions), so that its path and
// method can be changed without touching code.
//
// The template is read as YAML nodes, with the intrinsic functions that it
// uses: Ref, GetAtt, Sub, If, FindInMap, and the conditions Equals, Not, And, Or.
// Parameters have their defaults where the caller says nothing else; a secret
// (NoEcho) needs none, it is known to CloudFormation alone.
package wiring
