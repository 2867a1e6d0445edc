package sqs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// scripted answers the calls of SQS.
type scripted struct {
	answer func(operation string, in request) (status int, out any)

	mu    sync.Mutex
	calls []request
}

// request is what the tests look at.
type request struct {
	QueueUrl string
	Entries  []struct {
		Id, MessageBody, MessageGroupId string
		DelaySeconds                    int
	}
	VisibilityTimeout int
}

func (s *scripted) Do(req *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	var in request
	if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.calls = append(s.calls, in)
	s.mu.Unlock()
	status, out := s.answer(operation, in)
	if err, broken := out.(error); broken {
		return nil, err
	}
	if out == nil { // silence
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(out); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Request: req, Body: io.NopCloser(&body),
		Header: http.Header{"X-Amzn-Requestid": {"R1"}, "Content-Type": {"application/x-amz-json-1.0"}},
	}, nil
}

func (s *scripted) queue() *Queue {
	return New(Config{
		AWS: aws.Config{Region: "eu-central-1", HTTPClient: s, Credentials: credentials.NewStaticCredentialsProvider("id", "key", "")},
		URLs: map[queue.Lane]string{
			queue.Normal: "https://sqs.example.com/1/normal", queue.Solo: "https://sqs.example.com/1/solo",
		},
	})
}

func fault(code, message string) map[string]string {
	return map[string]string{"__type": "com.amazonaws.sqs#" + code, "message": message}
}

// accepted answers a batch: what each entry's body says becomes of it.
func accepted(_ string, in request) (int, any) {
	var ok, failed []map[string]any
	for _, e := range in.Entries {
		switch e.MessageBody {
		case "forgotten":
		case "throttled":
			failed = append(failed, map[string]any{"Id": e.Id, "Code": "ThrottlingException", "SenderFault": true})
		case "internal":
			failed = append(failed, map[string]any{"Id": e.Id, "Code": "InternalError", "SenderFault": false})
		case "refused":
			failed = append(failed, map[string]any{"Id": e.Id, "Code": "InvalidMessageContents", "Message": "no", "SenderFault": true})
		default:
			ok = append(ok, map[string]any{"Id": e.Id, "MessageId": "m" + e.Id, "MD5OfMessageBody": md5Of(e.MessageBody)})
		}
	}
	return http.StatusOK, map[string]any{"Successful": ok, "Failed": failed}
}

// Each message of a batch has its own result, in the order of the caller.
func TestEachMessageHasItsResult(t *testing.T) {
	t.Parallel()
	s := &scripted{answer: accepted}
	bodies := []string{"fine", "throttled", "also fine", "refused", "internal", "forgotten"}
	var ms []queue.Message
	for i, body := range bodies {
		ms = append(ms, queue.Message{Body: []byte(body), Lane: []queue.Lane{queue.Normal, queue.Solo}[i%2], Group: "acme"})
	}
	errs := s.queue().Send(t.Context(), ms)
	for i, want := range []error{nil, queue.ErrBusy, nil, nil, queue.ErrBusy, queue.ErrUnknown} {
		switch {
		case bodies[i] == "refused":
			if errs[i] == nil || errors.Is(errs[i], queue.ErrBusy) || !strings.Contains(errs[i].Error(), "InvalidMessageContents") {
				t.Errorf("refused: %v", errs[i])
			}
		case !errors.Is(errs[i], want) || (want == nil) != (errs[i] == nil):
			t.Errorf("%s: %v, want %v", bodies[i], errs[i], want)
		}
	}
	if len(s.calls) != 2 || len(s.calls[0].Entries) != 3 || s.calls[0].QueueUrl == s.calls[1].QueueUrl || s.calls[0].Entries[0].MessageGroupId != "acme" {
		t.Errorf("calls: %+v", s.calls)
	}
}

// A call carries at most 1 MiB: what does not fit goes with the next one.
func TestLargeBatchesAreSplit(t *testing.T) {
	t.Parallel()
	s := &scripted{answer: accepted}
	var ms []queue.Message
	for range queue.MaxBatch {
		ms = append(ms, queue.Message{Body: bytes.Repeat([]byte("x"), 400<<10), Lane: queue.Normal})
	}
	for i, err := range s.queue().Send(t.Context(), ms) {
		if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	if len(s.calls) != 5 {
		t.Errorf("%d calls, want 5 of two messages", len(s.calls))
	}
	for _, c := range s.calls {
		size := 0
		for _, e := range c.Entries {
			size += len(e.MessageBody)
		}
		if size > maxBody {
			t.Errorf("a call carries %d bytes", size)
		}
	}
}

// What a call's failure says about its messages.
func TestSendThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		out    any
		want   error // nil: another
	}{
		"throttled":         {400, fault("ThrottlingException", "slow down"), queue.ErrBusy},
		"throttled, old":    {403, fault("RequestThrottled", "slow down"), queue.ErrBusy},
		"failed":            {500, fault("InternalFailure", ""), queue.ErrUnknown},
		"unavailable":       {503, fault("ServiceUnavailable", ""), queue.ErrUnknown},
		"never reached":     {0, &net.OpError{Op: "dial", Err: errors.New("refused")}, queue.ErrBusy},
		"cut":               {0, &net.OpError{Op: "read", Err: errors.New("reset")}, queue.ErrUnknown},
		"silent":            {0, nil, queue.ErrUnknown},
		"no permission":     {403, fault("AccessDeniedException", "not authorized to perform: sqs:sendmessage"), nil},
		"there is no queue": {400, fault("QueueDoesNotExist", "The specified queue does not exist."), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{answer: func(string, request) (int, any) { return c.status, c.out }}
				err := s.queue().Send(t.Context(), []queue.Message{{Body: []byte("{}"), Lane: queue.Normal}})[0]
				passing := errors.Is(err, queue.ErrBusy) || errors.Is(err, queue.ErrUnknown)
				if c.want != nil && (!errors.Is(err, c.want) || len(s.calls) != maxTries) {
					t.Errorf("%v after %d calls, want %v after %d", err, len(s.calls), c.want, maxTries)
				}
				if c.want == nil && (err == nil || passing || len(s.calls) != 1) {
					t.Errorf("%v after %d calls: no repetition mends it", err, len(s.calls))
				}
				if text := fmt.Sprint(err); c.status > 0 && !strings.Contains(text, "request R1") || strings.Contains(text, "\n") {
					t.Errorf("the error is %q, want one line with the request's id", text)
				}
			})
		})
	}
}

// A receipt that is no longer the message's is left alone, whatever SQS calls it.
func TestStaleReceipts(t *testing.T) {
	t.Parallel()
	for _, out := range []map[string]string{
		fault("MessageNotInflight", "x"), fault("ReceiptHandleIsInvalid", "x"),
		fault("InvalidParameterValue", "Value AQ for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change."),
	} {
		s := &scripted{answer: func(string, request) (int, any) { return 400, out }}
		if err := s.queue().Extend(t.Context(), queue.Delivery{Lane: queue.Normal, Receipt: "AQ"}, time.Minute); err != nil || s.calls[0].VisibilityTimeout != 60 {
			t.Errorf("%s: %v, asked for %d s", out["__type"], err, s.calls[0].VisibilityTimeout)
		}
	}
	s := &scripted{answer: func(string, request) (int, any) { return 403, fault("AccessDeniedException", "no") }}
	if err := s.queue().Extend(t.Context(), queue.Delivery{Lane: queue.Normal, Receipt: "AQ"}, time.Minute); err == nil {
		t.Error("a missing permission is no stale receipt")
	}
}
