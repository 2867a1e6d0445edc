// Package functions is where the Lambda functions lie, one folder each: its main
// reads the configuration, opens the services and hands one handler to Lambda.
// What is to be said about any of them stands in the packages they call; what is
// to be deployed stands in template.yaml.
//
// Beside them are the tests of what is deployed as a whole: that folders,
// template, sample events and environment belong together, what each function
// may do, and what each sample event is answered with.
package functions
