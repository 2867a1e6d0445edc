// Package awsproof holds the promises that only whole processes on the real
// engines can show: workers on DynamoDB Local and ElasticMQ, killed with
// SIGKILL, poisoned, of two versions at once, on a restored table. Its tests
// are the package; `make test-aws` runs them.
//
// The protocol's times are scaled down by ten, so that a lease of a minute ends
// in six seconds and a test in a minute or two.
package awsproof
