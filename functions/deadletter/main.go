// Command deadletter is the Lambda function that takes what the dead-letter queue caught.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/seed-926d1ba8/stepline/internal/app/aws"
	"github.com/seed-926d1ba8/stepline/internal/invocation"
)

func main() {
	cloud, log, err := aws.Start(context.Background(), "deadletter", os.Getenv, os.Stderr, time.Now)
	if err != nil {
		os.Exit(1)
	}
	lambda.Start(invocation.Messages(cloud.Feed(cloud.Runner.DeadLetter), cloud.Lanes(), log))
}
