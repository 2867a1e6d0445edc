// Package invocation turns what Lambda hands to a function into a call of the
// handler that serves it on one machine too: an HTTP API or function URL event
// into an http.Request, a batch of SQS records into deliveries, a schedule into
// a plain call.
//
// Each adapter is a lambda.Handler, so that it sees the event's bytes itself.
// What the event should be and is not is one log line and an answer: 400 from a
// function that answers HTTP, a failed invocation from the others, because an
// event that nobody understood must come back and not be lost.
//
// # Time
//
// Lambda ends a process at the invocation's deadline, in the middle of whatever
// it does. The handler's context therefore ends a moment earlier (Margin), which
// leaves time to say which messages of a batch failed. The runner takes its
// lease's end from this context.
//
// # Paths
//
// The two sources of HTTP events disagree. A function URL passes the path as it
// was sent; an HTTP API decodes it, and puts the stage in front unless that is
// $default. So what cannot stand in a path literally is escaped again, an escape
// that is there is kept, and the route that API Gateway says it matched decides
// what in front is no part of the path.
//
// # Log
//
// Lambda runs one invocation at a time in a process. Its id is kept while it
// runs, and a logger made by Logger puts it into every line, also into those
// that are written far from any context.
package invocation
