package step_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/step/sfntest"
)

// A Standard step on an Express state machine: it is started, and nobody can look
// at it or stop it. The other way round nothing happens.
func TestStepOfTheOtherKind(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.fake.Express(quick, func(int) sfntest.Ending { return sfntest.Ending{Status: "SUCCEEDED"} })
	call := step.Call{Request: request(quick, false, nil), Key: key, Run: 1}
	res := c.Call(t.Context(), call)
	if res.Err == nil || res.Err.Category != retry.Validation || res.Err.Unclear || res.Again != 0 || res.State != nil {
		t.Fatalf("got %+v", res)
	}
	for _, part := range []string{"express: true", "may have happened"} {
		if !strings.Contains(res.Err.Message, part) {
			t.Errorf("the message is %q, want it to say %q", res.Err.Message, part)
		}
	}
	if err := c.Stop(t.Context(), call); err != nil || c.fake.Calls("DescribeExecution") != 0 || len(c.fake.Executions()) != 1 {
		t.Errorf("stopping it: %v; %d looks, %d executions", err, c.fake.Calls("DescribeExecution"), len(c.fake.Executions()))
	}
	c.ends(sfntest.Ending{Status: "SUCCEEDED"})
	res = c.Call(t.Context(), step.Call{Request: request(orders, true, nil), Key: key, Run: 1})
	if res.Err == nil || res.Err.Category != retry.Validation || res.Err.Unclear || len(c.fake.Executions()) != 1 {
		t.Errorf("got %+v, %d executions", res.Err, len(c.fake.Executions()))
	}
}

// A Standard state machine may be called express.
func TestStandardNamedExpress(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	named := "arn:aws:states:eu-central-1:123456789012:stateMachine:express"
	c.fake.Machine(named, func(int) sfntest.Ending { return sfntest.Ending{Status: "SUCCEEDED"} })
	if res, _ := c.follow(step.Call{Request: request(named, false, nil), Key: key, Run: 1}); res.Err != nil {
		t.Errorf("got %+v", res.Err)
	}
}

func TestExpressIsOneCall(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.fake.Express(quick, func(n int) sfntest.Ending {
		return []sfntest.Ending{{}, {Status: "SUCCEEDED", Output: `[1]`}, {Status: "FAILED", Error: "Odd"}, {Status: "TIMED_OUT"}, {Status: "SUCCEEDED"}, {Status: "SUCCEEDED"}}[n]
	})
	call := step.Call{Request: request(quick, true, "x"), Key: key, Run: 1}
	if res := c.Call(t.Context(), call); res.Err != nil || string(res.Output) != "[1]" || res.Again != 0 || res.State != nil {
		t.Errorf("got %+v", res)
	}
	if res := c.Call(t.Context(), call); res.Err == nil || res.Err.Category != retry.ClientError || res.Err.Code != "Odd" || res.Err.Unclear {
		t.Errorf("got %+v", res.Err)
	}
	if res := c.Call(t.Context(), call); res.Err == nil || res.Err.Category != retry.Timeout || res.Err.Unclear || !res.Err.Answered {
		t.Errorf("got %+v", res.Err)
	}
	// Its answer is lost: nobody knows, and the SDK must not try again.
	c.fake.Lose("StartSyncExecution")
	if res := c.Call(t.Context(), call); res.Err == nil || !res.Err.Unclear || c.fake.Calls("StartSyncExecution") != 4 {
		t.Errorf("got %+v after %d calls", res.Err, c.fake.Calls("StartSyncExecution"))
	}
	c.fake.Refuse("StartSyncExecution", 500, "InternalServerError")
	if res := c.Call(t.Context(), call); res.Err == nil || !res.Err.Unclear || res.Err.Category != retry.Upstream {
		t.Errorf("got %+v", res.Err)
	}
}

func TestExpressIsNotRepeatedByTheSDK(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.fake.Express(quick, func(int) sfntest.Ending { return sfntest.Ending{Status: "SUCCEEDED"} })
	patient := step.NewStateMachines(aws.Config{
		Region: "eu-central-1", HTTPClient: c.fake, Credentials: aws.AnonymousCredentials{}, // the SDK's own patience
	}, time.Now, nil)
	c.fake.Lose("StartSyncExecution")
	res := patient.Call(t.Context(), step.Call{Request: request(quick, true, nil), Key: key, Run: 1})
	if res.Err == nil || !res.Err.Unclear || len(c.fake.Executions()) != 1 {
		t.Errorf("got %+v, %d executions", res.Err, len(c.fake.Executions()))
	}
}

// An output that the steps after it could not read is none.
func TestUnreadableOutputOfAStateMachine(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		`{"secret"`:         "the state machine's output is not JSON",
		`{"n":1e999,"a":1}`: "cannot be read here, a number is too large",
		strings.Repeat("[", 250) + strings.Repeat("]", 250): "cannot be read here, values may nest 200 deep at most",
	} {
		c := newClocked(t)
		c.fake.Express(quick, func(int) sfntest.Ending { return sfntest.Ending{Status: "SUCCEEDED", Output: output} })
		res := c.Call(t.Context(), step.Call{Request: request(quick, true, nil), Key: key, Run: 1})
		if res.Output != nil || res.Err == nil || res.Err.Code != "answer_not_json" || !strings.Contains(res.Err.Message, want) {
			t.Errorf("%.20s: got %s, %+v, want answer_not_json: %s", output, res.Output, res.Err, want)
		}
	}
}
