// Package standintest lets tests meet the stand-ins for AWS that infra/standin
// starts: fresh tables on DynamoDB Local and fresh queues on ElasticMQ.
//
// # Virtual time
//
// The conformance suites run on the virtual clock of testing/synctest, and the
// stand-ins are other processes. Two things make them meet. A request is made
// by a goroutine outside of the bubble, and the one inside waits for it on a
// channel that is not the bubble's: so virtual time stands still while a
// request is under way. And what a stand-in does by its own clock is made to go
// by the bubble's: ElasticMQ is given a clock that is set before each request,
// its long polls are waited for in virtual time, and DynamoDB Local, whose
// clock cannot be set, is sent a fresh token once ten virtual minutes are over.
package standintest
