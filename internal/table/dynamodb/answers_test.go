package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// answer is what a call meets.
type answer func(req *http.Request) (*http.Response, error)

// says answers with a body.
func says(status int, body string) answer {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{"X-Amzn-Requestid": {"R1"}, "Content-Type": {"application/x-amz-json-1.0"}}
		h.Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(body))))
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	}
}

// refuses answers with an error of DynamoDB.
func refuses(code, message string) answer {
	return says(http.StatusBadRequest, fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, code, message))
}

func breaks(err error) answer {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// silence never answers.
func silence(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

var (
	throttled = refuses("ThrottlingException", "slow down")
	failed    = says(http.StatusInternalServerError, `{"__type":"InternalServerError"}`)
	mine      = says(http.StatusBadRequest, `{"__type":"x#ConditionalCheckFailedException","message":"no","Item":{"pk":{"S":"p"},"sk":{"S":"s"},"ow":{"S":"me.1"}}}`)
	undialled = breaks(&net.OpError{Op: "dial", Err: errors.New("connection refused")})
	reset     = breaks(&net.OpError{Op: "read", Err: errors.New("connection reset by peer")})
	unnamed   = breaks(&net.DNSError{Err: "no such host", Name: "dynamodb"})
	fine      = says(http.StatusOK, `{}`)
)

// script answers calls in order, the last answer again and again.
type script struct {
	answers []answer
	bodies  []string
}

func (s *script) Do(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	s.bodies = append(s.bodies, string(body))
	req.Body = io.NopCloser(bytes.NewReader(body))
	return s.answers[min(len(s.bodies), len(s.answers))-1](req)
}

func (s *script) table(_ *testing.T) *Table {
	return New(Config{Name: "t", AWS: aws.Config{
		Region: "eu-central-1", HTTPClient: s, Credentials: credentials.NewStaticCredentialsProvider("id", "key", ""),
	}})
}

var put = table.Write{Key: table.Key{PK: "p", SK: "s"}, Kind: table.Put, Set: table.Attrs{"ow": table.String("me.1")}, If: table.IfAbsent()}

// What a write's last error means depends on all of its tries.
func TestWhatBecameOfAWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []answer
		want    error // nil: applied
		calls   int
	}{
		"applied":                      {[]answer{fine}, nil, 1},
		"throttled, then applied":      {[]answer{throttled, fine}, nil, 2},
		"throttled to the end":         {[]answer{throttled}, table.ErrBusy, maxTries},
		"provisioned too little":       {[]answer{refuses("ProvisionedThroughputExceededException", "")}, table.ErrBusy, maxTries},
		"a transaction holds the item": {[]answer{refuses("TransactionConflictException", "")}, table.ErrBusy, 1},
		"failed, then applied":         {[]answer{failed, fine}, nil, 2},
		"failed to the end":            {[]answer{failed}, table.ErrUnknown, maxTries},
		"failed, then throttled":       {[]answer{failed, throttled}, table.ErrUnknown, maxTries},
		"never reached":                {[]answer{undialled}, table.ErrBusy, maxTries},
		"no address":                   {[]answer{unnamed}, table.ErrBusy, maxTries},
		"cut, then never reached":      {[]answer{reset, undialled}, table.ErrUnknown, maxTries},
		"cut to the end":               {[]answer{reset}, table.ErrUnknown, maxTries},
		"silent, then applied":         {[]answer{silence, fine}, nil, 2},
		"silent, then throttled":       {[]answer{silence, throttled}, table.ErrUnknown, maxTries},
		"garbage for an answer":        {[]answer{says(http.StatusOK, "<html>")}, table.ErrUnknown, 1},
		"larger than 400 KB":           {[]answer{refuses("ValidationException", "Item size has exceeded the maximum allowed size"), fine}, table.ErrTooLarge, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: c.answers}
				_, err := s.table(t).Write(t.Context(), put)
				if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || len(s.bodies) != c.calls {
					t.Errorf("%v after %d calls, want %v after %d", err, len(s.bodies), c.want, c.calls)
				}
				if errors.Is(err, table.ErrBusy) && errors.Is(err, table.ErrUnknown) {
					t.Errorf("%v says both that nothing was written and that it may have been", err)
				}
			})
		})
	}
}

// A try that was applied and whose reply was lost is known by its nonce.
func TestRepeatedTryShowsItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{reset, mine}}
		_, err := s.table(t).Write(t.Context(), put)
		if old, failed := table.Failed(err); !failed || old["ow"].Str() != "me.1" || len(s.bodies) != 2 {
			t.Errorf("%v, old image %v after %d calls", err, old, len(s.bodies))
		}
		var sent struct {
			ReturnValuesOnConditionCheckFailure, ReturnConsumedCapacity string
		}
		if json.Unmarshal([]byte(s.bodies[1]), &sent) != nil || sent.ReturnValuesOnConditionCheckFailure != "ALL_OLD" || sent.ReturnConsumedCapacity != "INDEXES" {
			t.Errorf("sent %s", s.bodies[1])
		}
	})
}

// A connection that went silent leaves time for others before the deadline.
func TestSilenceUnderADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{silence}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		_, err := s.table(t).Write(ctx, put)
		if took := time.Since(began); !errors.Is(err, table.ErrUnknown) || took > 2*time.Second || len(s.bodies) < 3 {
			t.Errorf("%v after %s and %d tries; at least 3 within 2 s are expected", err, took, len(s.bodies))
		}
	})
}

// A fault that no repetition mends is one line in DynamoDB's words, with the
// request's id, and invites nobody to try again.
func TestFaultsThatStay(t *testing.T) {
	t.Parallel()
	for code, message := range map[string]string{
		"AccessDeniedException":     "User: arn:aws:sts::1:assumed-role/r is not authorized to perform: dynamodb:PutItem",
		"ResourceNotFoundException": "Requested resource not found",
		"ValidationException":       "The table does not have the specified index: due",
	} {
		s := &script{answers: []answer{refuses(code, message)}}
		_, err := s.table(t).Write(t.Context(), put)
		_, rerr := s.table(t).Query(t.Context(), table.Query{Index: table.Due, PK: "q"})
		for _, err := range []error{err, rerr} {
			text := fmt.Sprint(err)
			if !strings.Contains(text, code+": "+message) || !strings.Contains(text, "request R1") || strings.Contains(text, "\n") {
				t.Errorf("%s: %s", code, text)
			}
			if errors.Is(err, table.ErrBusy) || errors.Is(err, table.ErrUnknown) || errors.Is(err, table.ErrInvalid) {
				t.Errorf("%s: %v is taken for something else", code, err)
			}
		}
	}
}

// Reads write nothing: whatever may pass is busy.
func TestReadsAreBusy(t *testing.T) {
	t.Parallel()
	for _, a := range []answer{throttled, failed, reset, undialled, silence} {
		synctest.Test(t, func(t *testing.T) {
			tab := (&script{answers: []answer{a}}).table(t)
			_, gerr := tab.Get(t.Context(), []table.Key{put.Key}, true)
			_, berr := tab.Get(t.Context(), []table.Key{put.Key, {PK: "p", SK: "2"}}, true)
			_, qerr := tab.Query(t.Context(), table.Query{PK: "p"})
			for _, err := range []error{gerr, berr, qerr} {
				if !errors.Is(err, table.ErrBusy) || errors.Is(err, table.ErrUnknown) {
					t.Errorf("%v, want ErrBusy", err)
				}
			}
		})
	}
}

// batches answers like a BatchGetItem that takes at most n keys of each call.
func batches(n ...int) (answers []answer) {
	for _, most := range n {
		answers = append(answers, func(req *http.Request) (*http.Response, error) {
			var in struct {
				RequestItems map[string]struct{ Keys []json.RawMessage }
			}
			if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
				return nil, err
			}
			keys := in.RequestItems["t"].Keys
			took := min(most, len(keys))
			out := map[string]any{"Responses": map[string]any{"t": keys[:took]}}
			if took < len(keys) {
				out["UnprocessedKeys"] = map[string]any{"t": map[string]any{"Keys": keys[took:]}}
			}
			var text bytes.Buffer
			if err := json.NewEncoder(&text).Encode(out); err != nil {
				return nil, err
			}
			return says(http.StatusOK, text.String())(req)
		})
	}
	return answers
}

func TestUnprocessedKeys(t *testing.T) {
	t.Parallel()
	var keys []table.Key
	for i := range 10 {
		keys = append(keys, table.Key{PK: "p", SK: fmt.Sprint(i)})
	}
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: batches(4, 0, 0, 1, 10)}
		began := time.Now()
		items, err := s.table(t).Get(t.Context(), keys, true)
		if err != nil || len(items) != 10 || len(s.bodies) != 5 || time.Since(began) == 0 {
			t.Errorf("%d items after %d calls and %s: %v", len(items), len(s.bodies), time.Since(began), err)
		}
		s = &script{answers: batches(4, 0)}
		if items, err := s.table(t).Get(t.Context(), keys, true); !errors.Is(err, table.ErrBusy) || items != nil || len(s.bodies) != 1+idleRounds {
			t.Errorf("when it never answers the rest: %d items, %v after %d calls", len(items), err, len(s.bodies))
		}
	})
}
