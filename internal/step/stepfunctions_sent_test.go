package step_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/step"
)

// closed is an address at which nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// breaking is the address of a server that ends each connection without an answer.
func breaking(t *testing.T, start func(*httptest.Server)) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(srv)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// dialling is the SDK's own client, with connections made by dial.
func dialling(dial func(context.Context) (net.Conn, error)) aws.HTTPClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	})
}

// reaching is the SDK's own client, for which every host is at an address.
func reaching(address string) aws.HTTPClient {
	return dialling(func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", address) })
}

// Whether an Express call may have had its effect is whether it may have left: a
// call without a connection or without credentials has not, and may be made again.
func TestExpressThatNeverLeft(t *testing.T) {
	t.Parallel()
	none := errors.New("no credentials for AKIATOPSECRET")
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
	never := dialling(func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() })
	for name, c := range map[string]struct {
		client   aws.HTTPClient
		scheme   string // "" is http
		withheld error  // instead of credentials
		within   time.Duration
		want     retry.Category
		unclear  bool
	}{
		"nobody listens":              {client: reaching(closed(t)), want: retry.Network},
		"not trusted":                 {client: reaching(breaking(t, (*httptest.Server).StartTLS)), scheme: "https", want: retry.Network},
		"no connection in time":       {client: never, within: 10 * time.Millisecond, want: retry.Timeout},
		"no such host":                {client: failing{&net.DNSError{Err: "no such host", IsNotFound: true}}, want: retry.Network},
		"no credentials":              {client: failing{none}, withheld: none, want: retry.Auth},
		"nobody to ask for them":      {client: failing{none}, withheld: dial, want: retry.Network},
		"the connection breaks":       {client: reaching(breaking(t, (*httptest.Server).Start)), want: retry.Network, unclear: true},
		"a client that does not tell": {client: failing{none}, want: retry.Network, unclear: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := step.NewStateMachines(aws.Config{
				Region: "eu-central-1", HTTPClient: c.client, BaseEndpoint: aws.String(cmp.Or(c.scheme, "http") + "://states.test"),
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, c.withheld
				}),
			}, time.Now, nil)
			ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(c.within, time.Minute))
			defer cancel()
			res := m.Call(ctx, step.Call{Request: request(quick, true, nil), Key: key, Run: 1})
			if res.Err == nil || res.Err.Category != c.want || res.Err.Unclear != c.unclear {
				t.Fatalf("got %+v, want %s, unclear %t", res.Err, c.want, c.unclear)
			}
			if strings.Contains(res.Err.Message, "SECRET") {
				t.Errorf("the message is %q", res.Err.Message)
			}
		})
	}
}

// failing is an HTTP client that is not net/http's.
type failing struct{ err error }

// Do implements aws.HTTPClient.
func (f failing) Do(*http.Request) (*http.Response, error) { return nil, f.err }
