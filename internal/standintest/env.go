package standintest

import (
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Variables that infra/standin sets.
const (
	TablesVariable = "STEPLINE_TEST_DYNAMODB"
	QueuesVariable = "STEPLINE_TEST_SQS"
	ClocksVariable = "STEPLINE_TEST_CLOCKS"
)

// address reads a variable, or fails the test with what to do.
func address(t testing.TB, variable string) string {
	t.Helper()
	s := os.Getenv(variable)
	if s == "" {
		t.Fatalf("%s is not set: run `make test-aws`, or `go run ./infra/standin go test -tags aws …`", variable)
	}
	return s
}

// Tables is the address of DynamoDB Local.
func Tables(t testing.TB) string { return address(t, TablesVariable) }

// Queues is the address of ElasticMQ.
func Queues(t testing.TB) string { return address(t, QueuesVariable) }

// AWS is a configuration that reaches the stand-ins on the machine's clock.
func AWS() aws.Config { return sdk(awshttp.NewBuildableClient()) }

func sdk(client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region: "us-east-1", HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
}
