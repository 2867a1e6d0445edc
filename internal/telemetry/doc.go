// Package telemetry is how Stepline is watched from outside: structured logs
// and the trace context of outgoing calls.
//
// Trace context is derived, not kept. An execution outlives every process that
// works on it, so its trace id is computed from its id, and each call's span id
// from step and attempt: whichever worker makes a call, and however often a
// crash makes it make the call again, the same attempt has the same span, and
// nothing needs to be stored.
//
// Logs are JSON lines. What is a credential by its name is redacted by the
// handler, the last net under the rule that secrets are not logged at all.
package telemetry
