package step

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/retry"
)

func redirectTo(location string, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, location, status) }
}

// echo answers with the names of the headers it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	for _, name := range []string{"Accept", "Authorization", "Cookie", "Idempotency-Key", "Traceparent", "User-Agent", "X-Api-Key"} {
		if r.Header.Get(name) != "" {
			_, _ = w.Write([]byte(name + " "))
		}
	}
}

var credentials = map[string]any{"Authorization": "Bearer s", "Cookie": "c=s", "X-Api-Key": "s", "Accept": "text/plain"}

func TestRedirectOnTheSameHost(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/from", redirectTo("/to", 302))
	mux.HandleFunc("/to", echo)
	got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"url": serve(t, mux.ServeHTTP) + "/from", "headers": credentials})
	const all = `"Accept Authorization Cookie Idempotency-Key Traceparent User-Agent X-Api-Key "`
	if got.Err != nil || string(got.Output) != all {
		t.Errorf("sent on %s (%v), want %s", got.Output, got.Err, all)
	}
}

// A location is sent on as an address that can be sent, like one of a document.
func TestRedirectToWhatMustBeEscaped(t *testing.T) {
	t.Parallel()
	got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"url": serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.Header().Set("Location", "/to b?q=c d&e=%20\xe4")
			w.WriteHeader(302)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte(r.RequestURI))
	}) + "/"})
	if want := `"/to%20b?q=c%20d&e=%20%E4"`; got.Err != nil || string(got.Output) != want {
		t.Errorf("sent on to %s (%v), want %s", got.Output, got.Err, want)
	}
}

// Another port is another service: nothing of the document's goes there, and
// coming back does not bring it back.
func TestRedirectToAnotherHostDropsCredentials(t *testing.T) {
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
		if r.URL.Path == "/echo" {
			echo(w, r)
			return
		}
		http.Redirect(w, r, abroad+r.URL.Path, http.StatusTemporaryRedirect)
	})
	for _, path := range []string{"/stay", "/back"} {
		got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"url": home + path, "headers": credentials})
		if want := `"Accept User-Agent "`; got.Err != nil || string(got.Output) != want {
			t.Errorf("%s: sent on %s (%v), want %s", path, got.Output, got.Err, want)
		}
	}
}

func TestOnlyGetAndHeadFollow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		body   any
	}{{"POST", "x"}, {"POST", nil}, {"PUT", "x"}, {"PATCH", nil}, {"DELETE", nil}, {"OPTIONS", nil}, {"GET", "x"}} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(c.method+strconv.Itoa(status), func(t *testing.T) {
				t.Parallel()
				var second atomic.Bool
				url := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/second" {
						second.Store(true)
					}
					http.Redirect(w, r, "/second", status)
				})
				request := map[string]any{"method": c.method, "url": url}
				if c.body != nil {
					request["body"] = c.body
				}
				got := call(t, newCaller(t, HTTPConfig{}), request)
				if second.Load() {
					t.Error("the redirect was followed")
				}
				if got.Err == nil || got.Err.Category != retry.ClientError || got.Err.Code != strconv.Itoa(status) ||
					got.Response.Headers["location"] != "/second" || !strings.Contains(got.Err.Message, "only a GET or HEAD") {
					t.Errorf("outcome %+v with %+v, want client_error with the location", got.Err, got.Response)
				}
			})
		}
	}
}

func TestRedirectsEnd(t *testing.T) {
	t.Parallel()
	for hops, ok := range map[int]bool{maxRedirects: true, maxRedirects + 1: false} {
		var calls atomic.Int64
		got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"url": serve(t, func(w http.ResponseWriter, r *http.Request) {
			if int(calls.Add(1)) <= hops {
				http.Redirect(w, r, "/on", http.StatusFound)
			}
		})})
		if (got.Err == nil) != ok {
			t.Errorf("%d redirects: outcome %+v", hops, got.Err)
		}
		if !ok && (got.Err.Category != retry.ClientError || !strings.Contains(got.Err.Message, "more than 5 times")) {
			t.Errorf("outcome %+v, want a client_error that names the limit", got.Err)
		}
	}
}

func TestRedirectToNowhere(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"ftp://h/secret": "not valid", "http://u:secret@h/": "not valid", "http://[::secret": "not valid", "": "answered 302, a redirect without a Location",
	} {
		got := call(t, newCaller(t, HTTPConfig{}), map[string]any{"url": serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(302)
		})})
		if got.Err == nil || got.Err.Category != retry.ClientError || !strings.Contains(got.Err.Message, want) || strings.Contains(got.Err.Message, "secret") {
			t.Errorf("to %q: outcome %+v, want a client_error: %s", location, got.Err, want)
		}
	}
}

func TestSameHost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"http://a/x", "http://a:80/y", true},
		{"http://a/", "https://a/", true},
		{"https://a/", "http://a/", false},
		{"http://a:8080/", "https://a/", false},
		{"http://a/", "http://a:81/", false},
		{"http://a/", "http://b.a/", false},
	} {
		from, err := url.Parse(c.from)
		if err != nil {
			t.Fatal(err)
		}
		to, err := url.Parse(c.to)
		if err != nil {
			t.Fatal(err)
		}
		if got := sameHost(from, to); got != c.want {
			t.Errorf("sameHost(%s, %s) = %v, want %v", c.from, c.to, got, c.want)
		}
	}
}
