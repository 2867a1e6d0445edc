package step_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/step/sfntest"
)

const (
	orders = "arn:aws:states:eu-central-1:123456789012:stateMachine:orders"
	quick  = "arn:aws:states:eu-central-1:123456789012:stateMachine:quick"
	key    = "ex_01K0000000000000000000000A/pay"
)

// clocked is a Step Functions caller on a fake, whose clock the test moves.
type clocked struct {
	t    *testing.T
	at   time.Time
	fake *sfntest.Fake
	log  bytes.Buffer
	*step.StateMachines
}

func newClocked(t *testing.T) *clocked {
	t.Helper()
	c := &clocked{t: t, at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return c.at }
	c.fake = sfntest.New(now)
	c.StateMachines = step.NewStateMachines(aws.Config{
		Region: "eu-central-1", HTTPClient: c.fake, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}, now, slog.New(slog.NewTextHandler(&c.log, nil)))
	return c
}

func (c *clocked) ends(with sfntest.Ending) {
	c.fake.Machine(orders, func(int) sfntest.Ending { return with })
}

func request(arn string, express bool, input any) map[string]any {
	r := map[string]any{"stateMachine": arn, "express": express}
	if input != nil {
		r["input"] = input
	}
	return r
}

// follow calls until the attempt is over, and counts the calls.
func (c *clocked) follow(call step.Call) (res step.Result, calls int) {
	c.t.Helper()
	for calls = 1; calls < 1000; calls++ {
		res = c.Call(c.t.Context(), call)
		if res.Again == 0 {
			return res, calls
		}
		call.State = res.State
		c.at = c.at.Add(res.Again)
	}
	c.t.Fatal("it never ends")
	return res, calls
}

func TestStandardIsStartedOnceAndFollowed(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.ends(sfntest.Ending{After: time.Hour, Status: "SUCCEEDED", Output: `{"paid": 1.50}`})
	began := c.at
	res, calls := c.follow(step.Call{Request: request(orders, false, map[string]any{"n": 1}), Key: key, Run: 1})
	if res.Err != nil || string(res.Output) != `{"paid": 1.50}` || res.State != nil || !res.Began.Equal(began) {
		t.Errorf("got %s, %v, state %s, began %s", res.Output, res.Err, res.State, res.Began)
	}
	all := c.fake.Executions()
	if len(all) != 1 || all[0].Name != "ex_01K0000000000000000000000A-pay" || all[0].Input != `{"n":1}` {
		t.Errorf("got %+v", all)
	}
	// A look each minute at most, closer together at the beginning.
	if calls < 60 || calls > 80 {
		t.Errorf("%d calls for an hour", calls)
	}
	if late := c.at.Sub(began) - time.Hour; late < 0 || late > time.Minute {
		t.Errorf("its end was seen %s late", late)
	}
}

// A worker that comes after one that died calls again without knowing of the
// start: running, ended, or with its answer lost, it is the same execution.
func TestStandardStartIsIdempotent(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]time.Duration{"running": time.Second, "ended": 2 * time.Hour} {
		c := newClocked(t)
		c.ends(sfntest.Ending{After: time.Hour, Status: "SUCCEEDED"})
		call := step.Call{Request: request(orders, false, nil), Key: key, Run: 1}
		if res := c.Call(t.Context(), call); res.Again != time.Second {
			t.Errorf("%s: got %+v", name, res)
		}
		c.at = c.at.Add(between)
		res, _ := c.follow(call)
		if res.Err != nil || string(res.Output) != "{}" || len(c.fake.Executions()) != 1 {
			t.Errorf("%s: got %s, %v, %d executions", name, res.Output, res.Err, len(c.fake.Executions()))
		}
	}
	c := newClocked(t)
	c.ends(sfntest.Ending{After: time.Hour, Status: "SUCCEEDED"})
	c.fake.Lose("StartExecution")
	call := step.Call{Request: request(orders, false, nil), Key: key, Run: 1}
	res := c.Call(t.Context(), call)
	if res.Err == nil || res.Err.Category != retry.Network || !res.Err.Unclear {
		t.Fatalf("got %+v", res)
	}
	call.State, call.Attempt = res.State, 2
	if res, _ := c.follow(call); res.Err != nil || len(c.fake.Executions()) != 1 {
		t.Errorf("got %v, %d executions", res.Err, len(c.fake.Executions()))
	}
}

// Aliases and versions are started by their own ARN; the execution's has none.
func TestStandardByAlias(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.fake.Machine(orders+":live", func(int) sfntest.Ending { return sfntest.Ending{Status: "SUCCEEDED"} })
	call := step.Call{Request: request(orders+":live", false, nil), Key: key, Run: 1}
	c.Call(t.Context(), call)
	if res, _ := c.follow(call); res.Err != nil || len(c.fake.Executions()) != 1 {
		t.Errorf("got %v", res.Err)
	}
}

func TestEndings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ending   sfntest.Ending
		category retry.Category
		code     string
	}{
		"failed":              {sfntest.Ending{Status: "FAILED", Error: "Card.Declined", Cause: `{"card": "topsecret"}`}, retry.ClientError, "Card.Declined"},
		"failed, nameless":    {sfntest.Ending{Status: "FAILED", Cause: "topsecret"}, retry.ClientError, "failed"},
		"timed out":           {sfntest.Ending{Status: "TIMED_OUT", Error: "States.Timeout"}, retry.Timeout, "States.Timeout"},
		"aborted":             {sfntest.Ending{Status: "ABORTED"}, retry.Cancelled, "aborted"},
		"a name that is none": {sfntest.Ending{Status: "FAILED", Error: "a b\n" + strings.Repeat("x", 200)}, retry.ClientError, "ab" + strings.Repeat("x", 76)},
	} {
		f := newClocked(t)
		c.ending.After = time.Minute
		f.ends(c.ending)
		call := step.Call{Request: request(orders, false, nil), Key: key, Run: 1}
		res, _ := f.follow(call)
		if res.Err == nil || res.Err.Category != c.category || res.Err.Code != c.code || res.Err.Unclear || strings.Contains(res.Err.Message, "topsecret") {
			t.Errorf("%s: got %+v, want %s/%s", name, res.Err, c.category, c.code)
		}
		// The next attempt is another execution, and one only.
		call.State = res.State
		f.Call(t.Context(), call)
		f.Call(t.Context(), call)
		if all := f.fake.Executions(); len(all) != 2 || all[1].Name == all[0].Name {
			t.Errorf("%s: after another attempt there are %+v", name, all)
		}
	}
}

// A question that fails is not the execution's failure, unless it says that there
// is nothing to ask for: nothing ends, nothing is stopped, and the end is seen.
func TestLooksThatFail(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.ends(sfntest.Ending{After: time.Hour, Status: "SUCCEEDED"})
	call := step.Call{Request: request(orders, false, nil), Key: key, Run: 1}
	call.State = c.Call(t.Context(), call).State
	for _, fail := range []func(){
		func() { c.fake.Refuse("DescribeExecution", 400, "ThrottlingException") },
		func() { c.fake.Refuse("DescribeExecution", 503, "ServiceUnavailable") },
		func() { c.fake.Lose("DescribeExecution") },
	} {
		fail()
		if res := c.Call(t.Context(), call); res.Err != nil || res.Again == 0 || string(res.State) != string(call.State) {
			t.Errorf("got %+v", res)
		}
	}
	if c.log.Len() > 0 {
		t.Errorf("trouble that passes is logged: %s", &c.log)
	}
	for _, kind := range []string{
		"AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException",
		"KmsAccessDeniedException", "KmsInvalidStateException", "Other",
	} {
		c.fake.Refuse("DescribeExecution", 400, kind)
		if res := c.Call(t.Context(), call); res.Err != nil || res.Again == 0 {
			t.Errorf("%s: got %+v", kind, res)
		}
	}
	if res, _ := c.follow(call); res.Err != nil || len(c.fake.Executions()) != 1 || c.fake.Executions()[0].Aborted {
		t.Errorf("in the end got %+v of %+v", res, c.fake.Executions())
	}
	for arn, want := range map[string]retry.Category{
		"arn:aws:states:eu-central-1:123456789012:execution:orders:none": retry.NotFound,
		"arn:aws:states:eu-central-1:123456789012:activity:orders":       retry.Validation,
	} {
		gone := step.Call{State: json.RawMessage(`{"arn":"` + arn + `","at":1}`)}
		if res := c.Call(t.Context(), gone); res.Err == nil || res.Err.Category != want || res.Err.Unclear || res.State == nil {
			t.Errorf("%s: got %+v", arn, res)
		}
	}
}

// That looks are refused is said once for each reason, and again after one that
// was answered.
func TestRefusedLooksAreLoggedOnce(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.ends(sfntest.Ending{After: time.Hour, Status: "SUCCEEDED"})
	call := step.Call{Request: request(orders, false, nil), Key: key, Run: 1}
	call.State = c.Call(t.Context(), call).State
	for _, kind := range []string{"AccessDeniedException", "AccessDeniedException", "ThrottlingException", "AccessDeniedException", "ExpiredTokenException", "", "AccessDeniedException"} {
		if kind != "" {
			c.fake.Refuse("DescribeExecution", 400, kind)
		}
		call.State = c.Call(t.Context(), call).State
	}
	lines := strings.Split(strings.TrimSpace(c.log.String()), "\n")
	if len(lines) != 3 || strings.Contains(c.log.String(), "told by the test") {
		t.Fatalf("got %d lines, want 3 without the service's texts:\n%s", len(lines), &c.log)
	}
	for i, code := range []string{"AccessDeniedException", "ExpiredTokenException", "AccessDeniedException"} {
		if !strings.Contains(lines[i], "level=WARN") || !strings.Contains(lines[i], "code="+code) || !strings.Contains(lines[i], "key="+key) {
			t.Errorf("line %d is %s, want a warning with %s and %s", i+1, lines[i], code, key)
		}
	}
}

func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]retry.Category{
		"ExecutionLimitExceeded": retry.RateLimited, "ThrottlingException": retry.RateLimited, "StateMachineDeleting": retry.Conflict,
		"AccessDeniedException": retry.Auth, "UnrecognizedClientException": retry.Auth, "ValidationException": retry.Validation,
		"StateMachineTypeNotSupported": retry.Validation, "Other": retry.ClientError,
	} {
		for _, express := range []bool{false, true} {
			c := newClocked(t)
			c.ends(sfntest.Ending{Status: "SUCCEEDED"})
			operation := map[bool]string{false: "StartExecution", true: "StartSyncExecution"}[express]
			c.fake.Refuse(operation, 400, kind)
			res := c.Call(t.Context(), step.Call{Request: request(orders, express, nil), Key: key, Run: 1})
			if res.Err == nil || res.Err.Category != want || res.Err.Unclear || strings.Contains(res.Err.Message, "test") || len(c.fake.Executions()) != 0 {
				t.Errorf("%s of %s: got %+v, want %s", kind, operation, res.Err, want)
			}
		}
	}
	c := newClocked(t)
	for name, r := range map[string]any{"unknown machine": request(orders, false, nil), "no arn": request("orders", false, nil), "no object": 7} {
		res := c.Call(t.Context(), step.Call{Request: r, Key: key, Run: 1})
		want := retry.Validation
		if name == "unknown machine" {
			want = retry.NotFound
		}
		if res.Err == nil || res.Err.Category != want {
			t.Errorf("%s: got %+v", name, res.Err)
		}
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.ends(sfntest.Ending{After: time.Hour, Status: "SUCCEEDED"})
	call := step.Call{Request: request(orders, false, nil), Key: key, Run: 1}
	if err := c.Stop(t.Context(), call); err != nil {
		t.Errorf("what never began: %v", err)
	}
	known := call
	known.State = c.Call(t.Context(), call).State
	known.Request = nil
	// By its ARN, and by its name where its start was not recorded.
	for _, stop := range []step.Call{known, call, call} {
		if err := c.Stop(t.Context(), stop); err != nil {
			t.Error(err)
		}
	}
	if all := c.fake.Executions(); len(all) != 1 || !all[0].Aborted {
		t.Errorf("got %+v", all)
	}
	if res := c.Call(t.Context(), known); res.Err == nil || res.Err.Category != retry.Cancelled {
		t.Errorf("got %+v", res)
	}
	if err := c.Stop(t.Context(), step.Call{Request: request(quick, true, nil), Key: key}); err != nil {
		t.Errorf("an Express one cannot be stopped, got %v", err)
	}
	c.fake.Refuse("StopExecution", 400, "AccessDeniedException")
	if err := c.Stop(t.Context(), known); err == nil {
		t.Error("a refusal is no success")
	}
}

func TestExecutionNames(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	long := "ex_01K0000000000000000000000A/" + strings.Repeat("s", 64)
	for _, k := range []string{key, key + "~1", key + "~2", long, long + "~1", key + "--1", key + "-1"} {
		for run := 1; run <= 3; run++ {
			c := newClocked(t)
			c.ends(sfntest.Ending{Status: "FAILED"})
			call := step.Call{Request: request(orders, false, nil), Key: k, Run: run}
			for range 3 {
				res, _ := c.follow(call)
				call.State = res.State
			}
			for i, x := range c.fake.Executions() {
				what := strings.Join([]string{k, string(rune('0' + run)), string(rune('0' + i))}, " ")
				if other, there := seen[x.Name]; there {
					t.Errorf("%s and %s are both %s", other, what, x.Name)
				}
				seen[x.Name] = what
				if len(x.Name) > 80 || strings.Trim(x.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
					t.Errorf("%s is named %s", what, x.Name)
				}
			}
		}
	}
	if len(seen) != 7*3*3 {
		t.Errorf("%d names", len(seen))
	}
}

func TestRouter(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.ends(sfntest.Ending{Status: "SUCCEEDED"})
	r := step.Router{HTTP: over{}, StateMachines: c.StateMachines}
	if res := r.Call(t.Context(), step.Call{Type: "http"}); string(res.Output) != `"http"` {
		t.Errorf("got %+v", res)
	}
	call := step.Call{Type: "stepfunctions", Request: request(orders, false, nil), Key: key, Run: 1}
	if res := r.Call(t.Context(), call); res.Again == 0 {
		t.Errorf("got %+v", res)
	}
	if err := r.Stop(t.Context(), call); err != nil || c.fake.Calls("StopExecution") != 1 {
		t.Errorf("got %v", err)
	}
	if err := r.Stop(t.Context(), step.Call{Type: "http"}); err != nil || c.fake.Calls("StopExecution") != 1 {
		t.Errorf("got %v", err)
	}
	bare := step.Router{HTTP: over{}}
	if res := bare.Call(t.Context(), call); res.Err == nil || res.Err.Category != retry.Validation || !strings.Contains(res.Err.Message, "AWS_REGION") {
		t.Errorf("got %+v", res)
	}
	if err := bare.Stop(t.Context(), call); err != nil {
		t.Error(err)
	}
}

type over struct{}

func (over) Call(context.Context, step.Call) step.Result {
	return step.Result{Output: json.RawMessage(`"http"`)}
}
