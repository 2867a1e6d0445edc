// Package step makes the calls that steps stand for, one file per step type
// behind one small interface.
//
// # At most one request per attempt
//
// A call has effects elsewhere, so whether it may be made again is the decision
// of the step's policy, never of the client. net/http decides otherwise by
// itself: on a kept connection that the server ends it sends a request again
// when its body can be had again and its method, or an Idempotency-Key, makes
// it look safe. Here no request has a body that net/http knows to be empty or
// can rewind, HTTP/2 is off, and redirects are followed for a GET or HEAD
// without a body only.
//
// One thing is done again: taking a connection. An idle connection that turns
// out to be dead before a byte of the request was written is no attempt.
//
// # Unclear ends
//
// A failure is unclear when its effect may have happened: a byte of the request
// was written and no whole answer came, the answer came and cannot be used, or
// a gateway says (502, 504) that it does not know. Connections count their
// writes to tell.
//
// # Bodies
//
// A request's body that is a string goes out as it is, as text/plain; an absent
// one is empty; anything else, null included, goes out as JSON. A content-type
// among the headers wins, and application/x-www-form-urlencoded makes a form of
// an object.
//
// An answer of a JSON type stays JSON, digits and escapes as they came. Other
// text becomes a JSON string, an empty body null, and bytes that are no UTF-8
// {"base64": …, "contentType": …}. An answer over MaxResponse, JSON that is none
// or that expressions could not read, and what is compressed in another way than
// gzip fail the step as validation: calling again would not mend them.
//
// # Secrets
//
// A call that authenticates or is signed names its secret. The value is found
// when the call is made and goes into the outgoing headers only: the evaluated
// request never holds it, and a redirect to another origin does not carry it. A
// signed message has the step's key as its id, so a receiver knows a repeated
// call for one.
//
// # Step Functions
//
// A Standard state machine runs elsewhere while nobody waits: its call starts it
// and asks to be made again (Result.Again), which looks at it. What the caller
// has to remember in between is kept with the step (Result.State). An Express
// one is one call, which nobody may repeat. The other way round, Tasks tells a
// state machine's task how the execution goes that it waits for.
//
// # What is shown
//
// Messages name method and host, and nothing else of a request or an answer:
// paths, queries, headers and bodies may hold secrets. Texts of net/http's
// errors are not passed on, because they quote what the other side sent.
package step
