package step

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/secret"
	"github.com/seed-926d1ba8/stepline/internal/sign"
)

// drawer is a Secrets of fixed values.
type drawer map[string]string

func (d drawer) Resolve(_ context.Context, name string) (string, error) {
	if name == "stuck" {
		return "", &secret.UnavailableError{Name: name, Cause: errors.New("throttled")}
	}
	v, ok := d[name]
	if !ok {
		return "", &secret.MissingError{Name: name, Place: "the drawer"}
	}
	return v, nil
}

var secrets = drawer{"crm": "topsecret", "broken": "top\nsecret", "hook": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}

// showing answers with one header of the request.
func showing(t *testing.T, name string) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, r.Header.Get(name))
	})
}

func TestAuthOnTheWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		auth         Auth
		header, want string
	}{
		"bearer": {Auth{Kind: "bearer", Secret: "crm"}, "Authorization", `"Bearer topsecret"`},
		"basic":  {Auth{Kind: "basic", User: "me", Secret: "crm"}, "Authorization", `"Basic bWU6dG9wc2VjcmV0"`},
		"header": {Auth{Kind: "header", Header: "x-api-key", Secret: "crm"}, "X-Api-Key", `"topsecret"`},
	} {
		got := newCaller(t, HTTPConfig{Secrets: secrets}).Call(t.Context(), Call{
			Request: map[string]any{"url": showing(t, c.header)}, Key: "ex_1/a", Auth: &c.auth,
		})
		if got.Err != nil || string(got.Output) != c.want {
			t.Errorf("%s: sent %s (%v), want %s", name, got.Output, got.Err, c.want)
		}
	}
}

func TestSecretsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	called := false
	address := serve(t, func(http.ResponseWriter, *http.Request) { called = true })
	standard := sign.Standard(0)
	framing, faults := sign.New(sign.Config{Signature: "Content-Length"})
	if faults != nil {
		t.Fatal(faults)
	}
	for name, c := range map[string]struct {
		auth     *Auth
		sign     *Sign
		none     bool
		headers  map[string]any
		category retry.Category
		code     string
		says     string
	}{
		"missing":               {auth: &Auth{Kind: "bearer", Secret: "nope"}, category: retry.Auth, code: "secret_missing", says: "nope"},
		"no secrets at all":     {auth: &Auth{Kind: "bearer", Secret: "crm"}, none: true, category: retry.Auth, code: "secret_missing", says: "crm"},
		"unavailable":           {auth: &Auth{Kind: "bearer", Secret: "stuck"}, category: retry.Network, code: "secret_unavailable", says: "stuck"},
		"two lines":             {auth: &Auth{Kind: "bearer", Secret: "broken"}, category: retry.Auth, code: "secret_unusable", says: "broken"},
		"missing to sign":       {sign: &Sign{standard, "nope"}, category: retry.Auth, code: "secret_missing", says: "nope"},
		"of the wrong form":     {sign: &Sign{standard, "crm"}, category: retry.Auth, code: "secret_unusable", says: "whsec_"},
		"a header given twice":  {auth: &Auth{Kind: "bearer", Secret: "crm"}, headers: map[string]any{"authorization": "x"}, category: retry.Validation, code: "request", says: "Authorization"},
		"a connection's header": {auth: &Auth{Kind: "header", Header: "host", Secret: "crm"}, category: retry.Validation, code: "request", says: "Host"},
		"the framing of a body": {sign: &Sign{framing, "crm"}, category: retry.Validation, code: "request", says: "Content-Length"},
		"an unknown kind":       {auth: &Auth{Kind: "digest", Secret: "crm"}, category: retry.Internal, code: "request", says: "kind"},
	} {
		cfg := HTTPConfig{Secrets: secrets}
		if c.none {
			cfg.Secrets = nil
		}
		got := newCaller(t, cfg).Call(t.Context(), Call{
			Request: map[string]any{"url": address, "headers": c.headers}, Key: "ex_1/a", Auth: c.auth, Sign: c.sign,
		})
		if got.Err == nil || got.Err.Category != c.category || got.Err.Code != c.code || got.Err.Unclear ||
			!strings.Contains(got.Err.Message, c.says) || strings.Contains(got.Err.Message, "top") {
			t.Errorf("%s: got %+v, want %s/%s that names %s", name, got.Err, c.category, c.code, c.says)
		}
	}
	if called {
		t.Error("a call was made without what it needs")
	}
}

func TestSignedCallsVerify(t *testing.T) {
	t.Parallel()
	custom, faults := sign.New(sign.Config{Signature: "X-Sig", ID: "X-Id", Timestamp: "X-Time", Prefix: "v0=", Signed: "v0:{id}:{timestamp}:{body}"})
	if faults != nil {
		t.Fatal(faults)
	}
	for name, scheme := range map[string]*sign.Scheme{"standard": sign.Standard(0), "hmac": custom} {
		for _, body := range []any{map[string]any{"b": "<&>", "a": 1}, "text", nil} {
			var got sign.Verified
			var err error
			address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				sent, _ := io.ReadAll(r.Body)
				got, err = scheme.Verify(r.Header.Values, sent, []string{secrets["hook"]}, noon)
			})
			res := newCaller(t, HTTPConfig{Secrets: secrets}).Call(t.Context(), Call{
				Request: map[string]any{"method": "POST", "url": address, "body": body}, Key: "ex_1/announce~2", Sign: &Sign{scheme, "hook"},
			})
			if res.Err != nil || err != nil || got.ID != "ex_1/announce~2" {
				t.Errorf("%s, %v: %v, %v, id %q", name, body, res.Err, err, got.ID)
			}
		}
	}
}

func TestNothingIsSignedWithoutAClock(t *testing.T) {
	t.Parallel()
	h := NewHTTP(HTTPConfig{Secrets: secrets})
	defer h.Close()
	got := h.Call(t.Context(), Call{Request: map[string]any{"url": "http://127.0.0.1:1"}, Key: "k", Sign: &Sign{sign.Standard(0), "hook"}})
	if got.Err == nil || got.Err.Category != retry.Internal {
		t.Errorf("got %+v", got.Err)
	}
}

// TestAuthStaysAtItsOrigin: another port, another scheme, and coming back.
func TestAuthStaysAtItsOrigin(t *testing.T) {
	t.Parallel()
	var home string
	abroad := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			http.Redirect(w, r, home+"/echo", http.StatusFound)
			return
		}
		echo(w, r)
	})
	home = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			echo(w, r)
		case "/here":
			http.Redirect(w, r, "/echo", http.StatusFound)
		default:
			http.Redirect(w, r, abroad+r.URL.Path, http.StatusFound)
		}
	})
	for _, a := range []Auth{{Kind: "bearer", Secret: "crm"}, {Kind: "header", Header: "X-Api-Key", Secret: "crm"}} {
		for path, want := range map[string]bool{"/here": true, "/stay": false, "/back": false} {
			got := newCaller(t, HTTPConfig{Secrets: secrets}).Call(t.Context(), Call{Request: map[string]any{"url": home + path}, Key: "k", Auth: &a})
			sent := strings.Contains(string(got.Output), "Authorization") || strings.Contains(string(got.Output), "X-Api-Key")
			if got.Err != nil || sent != want {
				t.Errorf("%s, %s: sent on %s (%v), want it %v", a.Kind, path, got.Output, got.Err, want)
			}
		}
	}
}

// TestAuthDoesNotChangeScheme: http and https are two origins, also of one host.
func TestAuthDoesNotChangeScheme(t *testing.T) {
	t.Parallel()
	secure := httptest.NewTLSServer(http.HandlerFunc(echo))
	t.Cleanup(secure.Close)
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://example.com/echo", http.StatusFound)
	})
	at := map[string]string{"example.com:80": host(t, plain), "example.com:443": host(t, secure.URL)}
	h := newCaller(t, HTTPConfig{
		Secrets: secrets, TLS: secure.Client().Transport.(*http.Transport).TLSClientConfig,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return (&net.Dialer{Timeout: time.Minute}).DialContext(ctx, network, at[address])
		},
	})
	got := h.Call(t.Context(), Call{
		Request: map[string]any{"url": "http://example.com/", "headers": map[string]any{"Accept": "text/plain", "Cookie": "c=1"}},
		Key:     "k", Auth: &Auth{Kind: "bearer", Secret: "crm"},
	})
	if want := `"Accept Cookie Idempotency-Key User-Agent "`; got.Err != nil || string(got.Output) != want {
		t.Errorf("sent on %s (%v), want %s", got.Output, got.Err, want)
	}
}

func host(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
