package ssm

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// recorded answers as the service's API reference shows it, on the wire: the
// SDK's own client reads it.
type recorded struct {
	t      *testing.T
	status int
	answer string
}

func (r *recorded) Do(req *http.Request) (*http.Response, error) {
	var asked struct {
		Name           string
		WithDecryption bool
	}
	if err := json.NewDecoder(req.Body).Decode(&asked); err != nil || asked.Name != "/stepline/dev/crm" || !asked.WithDecryption {
		r.t.Errorf("asked for %+v, %v", asked, err)
	}
	if got := req.Header.Get("X-Amz-Target"); got != "AmazonSSM.GetParameter" {
		r.t.Errorf("called %s", got)
	}
	return &http.Response{
		StatusCode: r.status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body: io.NopCloser(bytes.NewReader([]byte(r.answer))),
	}, nil
}

func store(t *testing.T, status int, answer string) *Store {
	t.Helper()
	s, err := New(aws.Config{
		Region: "eu-central-1", HTTPClient: &recorded{t, status, answer}, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.AnonymousCredentials{},
	}, "/stepline/dev/")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		answer string
		value  string
		found  bool
		err    string
	}{
		"there": {200, `{"Parameter": {"ARN": "arn:aws:ssm:eu-central-1:111122223333:parameter/stepline/dev/crm", "DataType": "text",
			"LastModifiedDate": 1582657288.8, "Name": "/stepline/dev/crm", "Type": "SecureString", "Value": "s3cret", "Version": 3}}`, "s3cret", true, ""},
		"plain":    {200, `{"Parameter": {"Name": "/stepline/dev/crm", "Type": "String", "Value": "s3cret", "Version": 1}}`, "", false, ""},
		"missing":  {400, `{"__type": "ParameterNotFound"}`, "", false, ""},
		"denied":   {400, `{"__type": "AccessDeniedException", "message": "not authorized"}`, "", false, "/stepline/dev/crm"},
		"throttle": {400, `{"__type": "ThrottlingException", "message": "Rate exceeded"}`, "", false, "/stepline/dev/crm"},
	} {
		value, found, err := store(t, c.status, c.answer).Lookup(t.Context(), "crm")
		if value != c.value || found != c.found || (err == nil) != (c.err == "") {
			t.Errorf("%s: got %q, %v, %v", name, value, found, err)
		}
		if err != nil && (!strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: got %v, want %q and no value", name, err, c.err)
		}
	}
}

func TestPrefix(t *testing.T) {
	t.Parallel()
	if _, err := New(aws.Config{}, "stepline"); err == nil {
		t.Error("a prefix without a slash is no parameter's name")
	}
	if got := store(t, 0, "").Place("crm"); !strings.Contains(got, "SecureString parameter /stepline/dev/crm") {
		t.Errorf("got %q", got)
	}
}
