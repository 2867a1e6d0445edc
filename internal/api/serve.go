package api

import (
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
)

// Handler serves the routes of one function. Whatever else it is asked for is
// 404, or 405 where the path exists for another method.
func (a *API) Handler(function string) http.Handler {
	s := &server{api: a, mux: http.NewServeMux()}
	byPattern := map[string]*endpoint{}
	for i := range a.routes {
		r := &a.routes[i]
		if (r.Function == Webhook) != (function == Webhook) {
			continue // on an address of its own, whose names would swallow every path here
		}
		e := byPattern[r.Pattern]
		if e == nil {
			e = &endpoint{api: a, function: function}
			byPattern[r.Pattern] = e
			s.mux.Handle(r.Pattern, e)
		}
		e.routes = append(e.routes, r)
	}
	s.mux.HandleFunc("/", nowhere)
	if function == Webhook {
		s.mux.HandleFunc("/v1/{call}", nowhere) // the API's, and no tenant
	}
	return s
}

func nowhere(w http.ResponseWriter, _ *http.Request) { notFound(w) }

// server does what every request needs: an id, and an answer even to a panic.
type server struct {
	api *API
	mux *http.ServeMux
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Request-Id")
	if !saneRequestID(id) {
		id = s.api.requestID()
	}
	w.Header().Set("X-Request-Id", id)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	t := &tracked{ResponseWriter: w}
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
			panic(p)
		}
		s.api.log.ErrorContext(r.Context(), "panic in a handler", slog.Any("panic", p),
			slog.String("request", id), slog.String("method", r.Method), slog.String("path", LogPath(r)),
			slog.String("stack", string(debug.Stack())))
		if !t.wrote {
			writeProblem(t, internal())
		}
	}()
	if !CleanPath(r) {
		notFound(t)
		return
	}
	s.mux.ServeHTTP(t, r)
}

// CleanPath reports whether an http.ServeMux looks a request up as it came.
// Others it would redirect or refuse itself, with an answer that is no problem
// document; here they are 404.
func CleanPath(r *http.Request) bool {
	p := r.URL.Path
	return p == "/" || strings.HasPrefix(p, "/") && path.Clean(p) == strings.TrimSuffix(p, "/")
}

// LogPath is a request's path as the log has it: without the token of a
// callback, which is all that its holder needs to complete the step.
func LogPath(r *http.Request) string {
	if parts := strings.SplitN(r.URL.Path, "/", 4); len(parts) == 4 && parts[1] == "-" {
		return strings.Join(parts[:3], "/") + "/…"
	}
	return r.URL.Path
}

// saneRequestID reports whether a caller's id may stand in our log.
func saneRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.:=/+", c) >= 0) {
			return false
		}
	}
	return true
}

// tracked knows whether an answer has begun.
type tracked struct {
	http.ResponseWriter
	wrote bool
}

func (t *tracked) WriteHeader(status int) {
	t.wrote = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracked) Write(b []byte) (int, error) {
	t.wrote = true
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController and http.MaxBytesReader reach the server.
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// endpoint is one path with its methods.
type endpoint struct {
	api      *API
	function string
	routes   []*Route
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i := e.find(r.Method)
	if i < 0 && r.Method == http.MethodHead { // net/http drops the body
		i = e.find(http.MethodGet)
	}
	switch {
	case i < 0:
		w.Header().Set("Allow", e.allow())
		writeProblem(w, methodNotAllowed(r.Method))
	case e.routes[i].Function != e.function:
		notFound(w)
	default:
		e.api.run(e.routes[i], w, r)
	}
}

func (e *endpoint) find(method string) int {
	return slices.IndexFunc(e.routes, func(r *Route) bool { return r.Method == method })
}

func (e *endpoint) allow() string {
	var methods []string
	for _, r := range e.routes {
		methods = append(methods, r.Method)
		if r.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

func (a *API) run(route *Route, w http.ResponseWriter, r *http.Request) {
	err := checkQuery(route, r)
	if err == nil {
		err = route.handle(a, w, r)
	}
	if err != nil {
		a.fail(w, r, err)
	}
}
