package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Mount is where the deployment's template puts one call of the HTTP API.
type Mount struct {
	Method    string `json:"method"`
	Path      string `json:"path"` // with {names}
	Operation string `json:"operation"`
	Function  string `json:"function"`
	At        string `json:"at"` // where the template says so, for messages
}

// Mounted is the route table with the calls of the HTTP API where the mounts
// put them: one without a mount is not served. What the webhook function serves
// is reached by an address of its own and stays. An error says at which mount
// what is wrong.
func Mounted(mounts []Mount) ([]Route, error) {
	var routes []Route
	all := Routes()
	for _, m := range mounts {
		r, err := m.route(all)
		if err != nil {
			return nil, err
		}
		for i := range routes {
			switch o := &routes[i]; {
			case o.operation == r.operation:
				return nil, fmt.Errorf("%s: the call is mounted twice", m.At)
			case o.Pattern == r.Pattern && o.Method == r.Method:
				return nil, fmt.Errorf("%s has the route %s %s, which %s has already", m.At, r.Method, r.Pattern, o.Event())
			case o.Pattern != r.Pattern && ambiguous(o.Pattern, r.Pattern):
				return nil, fmt.Errorf("%s has Path %s, which cannot be told apart from %s of %s", m.At, r.Pattern, o.Pattern, o.Event())
			}
		}
		routes = append(routes, r)
	}
	for _, r := range all {
		if r.Function == Webhook {
			routes = append(routes, r)
		}
	}
	return routes, nil
}

// route is the call of all that a mount names, on its place.
func (m Mount) route(all []Route) (Route, error) {
	var known []string
	for _, r := range all {
		if r.Function != m.Function || r.Function == Webhook {
			continue
		}
		known = append(known, r.Event())
		if r.Event() != m.Operation {
			continue
		}
		if !slices.Contains(methods, m.Method) || !mountable(m.Path) {
			return r, fmt.Errorf("%s has the route %q; one such as GET /v1/executions/{id} is expected", m.At, m.Method+" "+m.Path)
		}
		if want, got := placeholders(r.Pattern), placeholders(m.Path); !slices.Equal(want, got) {
			return r, fmt.Errorf("%s has Path %s with the parameters %v; this call has %v", m.At, m.Path, got, want)
		}
		r.operation, r.Method, r.Pattern = r.Operation(), m.Method, m.Path
		return r, nil
	}
	return Route{}, fmt.Errorf("%s is no call of functions/%s; its calls are %s", m.At, m.Function, strings.Join(known, ", "))
}

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// mountable reports whether a path is one that both API Gateway and a ServeMux
// read as it stands.
func mountable(path string) bool {
	parts := strings.Split(path, "/")
	if parts[0] != "" || len(parts) == 1 {
		return false
	}
	return !slices.ContainsFunc(parts[1:], func(part string) bool {
		name, more := strings.TrimSuffix(strings.TrimPrefix(part, "{"), "}"), "._~-"
		if wild(part) {
			more = ""
		}
		return name == "" || part == "." || part == ".." || part != name && part != "{"+name+"}" || strings.ContainsFunc(name, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(more, c)
		})
	})
}

// placeholders are the names in braces of a path, sorted.
func placeholders(path string) []string {
	var names []string
	for part := range strings.SplitSeq(path, "/") {
		if wild(part) {
			names = append(names, strings.Trim(part, "{}"))
		}
	}
	slices.Sort(names)
	return names
}

func wild(part string) bool { return strings.HasPrefix(part, "{") }

// ambiguous reports whether a path can be meant by both patterns while neither
// is the more specific one.
func ambiguous(a, b string) bool {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	if len(as) != len(bs) {
		return false
	}
	var moreA, moreB bool // where the one is a name and the other stands for anything
	for i := range as {
		switch {
		case wild(as[i]) && !wild(bs[i]):
			moreB = true
		case wild(bs[i]) && !wild(as[i]):
			moreA = true
		case !wild(as[i]) && as[i] != bs[i]:
			return false
		}
	}
	return moreA == moreB
}

// links are the patterns of the calls that answers point to.
type links map[string]string

func linksOf(routes []Route) links {
	l := links{}
	for i := range routes {
		l[routes[i].Operation()] = routes[i].Pattern
	}
	return l
}

// to is the path of a call with its parameters' names and values, "" for one
// that is not served.
func (l links) to(operation string, params ...string) string {
	path := l[operation]
	for i := 0; i < len(params); i += 2 {
		path = strings.Replace(path, "{"+params[i]+"}", url.PathEscape(params[i+1]), 1)
	}
	return path
}
