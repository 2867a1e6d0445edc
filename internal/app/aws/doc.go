// Package aws is the composition root on AWS: environment variables become
// ports on DynamoDB and SQS, ports become the services of package app.
//
// A function's main calls Start and hands one of the services' handlers to
// Lambda. Start reads the configuration with FromEnv, which refuses what cannot
// work with one line that names the variable, opens the services with Open,
// which makes no call, and looks with Check whether the table is the one that
// they need; made while a function starts, that also opens the connection that
// the first request will use.
//
// Every function is made of the same services, the clients of DynamoDB, SQS, the
// Parameter Store and Step Functions included, and uses what its handler needs:
// a client that is not called costs nothing, and the function's role says what
// it may call.
package aws
