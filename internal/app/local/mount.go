package local

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// API is the handler of the HTTP API: each function's handler on the routes
// that the template gives it. An error names a route that no function serves.
func (m *Machine) API() (http.Handler, error) {
	mux := http.NewServeMux()
	for _, r := range m.wiring.Routes {
		route, err := operation(r)
		if err != nil {
			return nil, err
		}
		mux.Handle(r.Method+" "+r.Path, moved(r, route, m.HTTP(r.Function)))
	}
	// No function: 404 in the API's own words, or 405.
	mux.Handle("/", m.HTTP(""))
	return mux, nil
}

// Webhooks is the handler behind the function URL.
func (m *Machine) Webhooks() http.Handler { return m.HTTP(api.Webhook) }

// operation is the call that a route of the template carries.
func operation(r wiring.Route) (api.Route, error) {
	var known []string
	for _, route := range api.Routes() {
		if route.Function != r.Function {
			continue
		}
		name := EventID(route)
		known = append(known, name)
		if name != r.Operation {
			continue
		}
		if want, got := placeholders(route.Pattern), placeholders(r.Path); !slices.Equal(want, got) {
			return route, fmt.Errorf("%s has Path %s with the parameters %v; this call has %v", r.At, r.Path, got, want)
		}
		return route, nil
	}
	return api.Route{}, fmt.Errorf("%s is no call of functions/%s; its calls are %s", r.At, r.Function, strings.Join(known, ", "))
}

// EventID is the id of a call's event in the template.
func EventID(r api.Route) string {
	name := r.Operation()
	return strings.ToUpper(name[:1]) + name[1:]
}

// placeholders are the names in braces of a path, sorted.
func placeholders(path string) []string {
	var names []string
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "{") {
			names = append(names, strings.Trim(part, "{}"))
		}
	}
	slices.Sort(names)
	return names
}

// moved gives a handler that knows a call by its own path the requests that
// come in by the template's.
func moved(r wiring.Route, to api.Route, h http.Handler) http.Handler {
	if r.Path == to.Pattern && r.Method == to.Method {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		path, raw := fill(to.Pattern, in)
		out := in.Clone(in.Context())
		if in.Method == r.Method { // else it is HEAD, which comes with every GET
			out.Method = to.Method
		}
		out.URL = &url.URL{Path: path, RawPath: raw, RawQuery: in.URL.RawQuery}
		h.ServeHTTP(w, out)
	})
}

// fill puts a request's path values into a pattern, plain and escaped.
func fill(pattern string, r *http.Request) (path, raw string) {
	plain := strings.Split(pattern, "/")
	escaped := slices.Clone(plain)
	for i, part := range plain {
		if strings.HasPrefix(part, "{") {
			plain[i] = r.PathValue(strings.Trim(part, "{}"))
			escaped[i] = url.PathEscape(plain[i])
		}
	}
	return strings.Join(plain, "/"), strings.Join(escaped, "/")
}
