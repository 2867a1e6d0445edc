package local

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/seed-926d1ba8/stepline/internal/step"
)

// stepFunctions is what stepfunctions steps call: Step Functions in AWS_REGION,
// with the credentials that the SDK finds; nil without a region. No call is made
// before a step needs one.
func stepFunctions(getenv func(string) string, now func() time.Time) (*step.StepFunctions, error) {
	region := getenv("AWS_REGION")
	if region == "" {
		return nil, nil
	}
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(region))
	if err != nil {
		return nil, err
	}
	return step.NewStepFunctions(cfg, now), nil
}
