// Command ready builds every function as it is deployed and says how large its
// package is, zipped, and how long it takes from its start until it asks Lambda
// for its first event:
//
//	go run ./infra/ready
//
// Lambda's runtime API is played by this program, and DynamoDB's answer about the
// table too: what is measured is the function, on this machine. A package over
// the limit is an error; times are for people to judge, since a busy machine
// proves nothing.
package main
