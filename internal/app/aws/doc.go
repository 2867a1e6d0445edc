// Package aws is the composition root on AWS: environment variables become
// ports on DynamoDB and SQS, ports become the services of package app.
//
// A function's main reads its configuration with FromEnv, which refuses what
// cannot work with one line that names the variable, opens the services with
// Open, which makes no call, and hands their handlers to Lambda. Check looks
// whether the table is the one that the services need; made while a function
// starts it also opens the connection that the first request will use.
//
// Only what a function needs is linked and made: no client beside DynamoDB's
// and SQS's, and nothing that calls before it is asked.
package aws
