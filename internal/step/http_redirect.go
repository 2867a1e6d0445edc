package step

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// maxRedirects is how many redirects one call follows.
const maxRedirects = 5

// follow is the next request after a redirect, nil when res is the answer.
//
// Only a GET or HEAD without a body is followed: sending anything else again,
// somewhere else, could repeat its effect.
func (r *request) follow(res *http.Response, hops int) (*request, *Error) {
	location := res.Header.Get("Location")
	if !redirects(res.StatusCode) || location == "" || len(r.body) > 0 ||
		r.method != http.MethodGet && r.method != http.MethodHead {
		return nil, nil
	}
	fail := func(why string) (*request, *Error) {
		return nil, &Error{
			Category: retry.ClientError, Code: strconv.Itoa(res.StatusCode),
			Message: r.name() + " " + why,
		}
	}
	if hops >= maxRedirects {
		return fail("redirected more than " + strconv.Itoa(maxRedirects) + " times")
	}
	to, err := r.url.Parse(location)
	if err != nil || checkTarget("location", to) != nil {
		return fail("redirected to an address that is not valid")
	}
	escapeURL(to)
	next := &request{method: r.method, url: to, header: r.header, proof: r.proof}
	switch {
	case !sameHost(r.url, to):
		next.header = r.foreignHeaders()
	case r.url.Scheme != to.Scheme:
		next.header = r.unprovenHeaders()
	}
	return next, nil
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// foreignHeaders are the headers another host gets to see. Any header may hold
// a credential, so only those that cannot are kept.
func (r *request) foreignHeaders() http.Header {
	h := http.Header{"User-Agent": userAgent}
	for _, name := range []string{"Accept", "Accept-Language"} {
		if v, ok := r.header[name]; ok {
			h[name] = v
		}
	}
	return h
}

// unprovenHeaders are the headers without those that authenticate: they were
// meant for one origin.
func (r *request) unprovenHeaders() http.Header {
	if len(r.proof) == 0 {
		return r.header
	}
	h := r.header.Clone()
	for _, name := range r.proof {
		h.Del(name)
	}
	return h
}

// sameHost reports whether to is served by whoever serves from. The step from
// http to https on the usual ports stays on the host.
func sameHost(from, to *url.URL) bool {
	if from.Hostname() != to.Hostname() {
		return false
	}
	if from.Scheme == to.Scheme {
		return port(from) == port(to)
	}
	return to.Scheme == "https" && port(from) == "80" && port(to) == "443"
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
