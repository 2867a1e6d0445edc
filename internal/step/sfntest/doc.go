// Package sfntest is a Step Functions for tests: it speaks the service's wire
// protocol (AWS JSON 1.0) behind an HTTP client, so that the SDK's own client is
// what is tested. Names, idempotency, errors and the shapes of answers are those
// of the API reference. What a state machine does is the test's to say.
package sfntest
