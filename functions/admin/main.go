// Command admin is the Lambda function that does what operators ask for: workflows, pause, resume, retry.
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
	cloud, log, err := aws.Start(context.Background(), "admin", os.Getenv, os.Stderr, time.Now)
	if err != nil {
		os.Exit(1)
	}
	lambda.Start(invocation.HTTP(cloud.HTTP("admin"), log))
}
