package api_test

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// TestTemplateMountsEveryCall: each call of the route table has exactly one
// event in template.yaml, at the function that serves it. The webhook function
// is reached by an address of its own.
func TestTemplateMountsEveryCall(t *testing.T) {
	t.Parallel()
	w, err := wiring.Read(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var mounts []api.Mount
	for _, r := range w.Routes {
		mounts = append(mounts, api.Mount(r))
	}
	routes, err := api.Mounted(mounts)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range api.Routes() {
		if !slices.ContainsFunc(routes, func(m api.Route) bool { return m.Operation() == r.Operation() }) {
			t.Errorf("template.yaml lacks an event %s of functions/%s", r.Event(), r.Function)
		}
	}
}

// everywhere is a mount for each call, on its own path.
func everywhere() []api.Mount {
	var mounts []api.Mount
	for _, r := range api.Routes() {
		if r.Function != api.Webhook {
			mounts = append(mounts, api.Mount{Method: r.Method, Path: r.Pattern, Operation: r.Event(), Function: r.Function, At: "event " + r.Event()})
		}
	}
	return mounts
}

// moved is everywhere with some calls on other routes: event, route.
func moved(t *testing.T, to map[string]string) []api.Route {
	t.Helper()
	mounts := everywhere()
	for i := range mounts {
		if route, ok := to[mounts[i].Operation]; ok {
			mounts[i].Method, mounts[i].Path, _ = strings.Cut(route, " ")
		}
	}
	routes, err := api.Mounted(mounts)
	if err != nil {
		t.Fatal(err)
	}
	return routes
}

// api is the API on the bundle's parts, with these routes.
func (b *bundle) api(t *testing.T, routes []api.Route) *api.API {
	t.Helper()
	a, err := api.New(api.Config{
		Engine: b.engine, Reads: b.reads, Registry: b.registry, Sources: b.registry, Events: b.events,
		Now: func() time.Time { return noon }, Routes: routes,
		RequestID: func() string { return "req-1" }, Log: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestMovedCalls: each function answers where its calls were moved to, answers
// point there, and the OpenAPI document says so under the same names.
func TestMovedCalls(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	move := func(routes []api.Route) {
		a := b.api(t, routes)
		b.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.Handler(strings.TrimPrefix(r.Host, "f.")).ServeHTTP(w, r)
		})
	}
	move(moved(t, map[string]string{
		"PostExecutions": "POST /start", "GetExecutionsId": "GET /x/{id}", "GetWorkflowsNameVersionsVersion": "GET /v/{version}/of/{name}",
		"PutWorkflowsName": "PUT /w/{name}", "GetSourcesName": "GET /src/{name}", "GetExecutions": "GET /search", "GetOpenapiJson": "GET /api.json",
	}))
	for _, c := range []struct {
		function, method, path, body string
		want                         int
		location                     string
	}{
		{api.Admin, "PUT", "/w/orders", orders(1), http.StatusCreated, "/v/1/of/orders"},
		{api.Admin, "GET", "/v/1/of/orders", "", http.StatusOK, ""},
		{api.Admin, "GET", "/v1/workflows/orders/versions/1", "", http.StatusNotFound, ""},
		{api.Admin, "PUT", "/v1/sources/shop", shop, http.StatusCreated, "/src/shop"},
		{api.Execute, "POST", "/start", `{"workflow":"orders"}`, http.StatusAccepted, "/x/" + someID},
		{api.Execute, "GET", "/start", "", http.StatusMethodNotAllowed, ""},
		{api.Execute, "POST", "/v1/executions", `{"workflow":"orders"}`, http.StatusNotFound, ""},
		{api.Cancel, "DELETE", "/v1/executions/" + someID, "", http.StatusAccepted, "/x/" + someID},
		{api.Status, "GET", "/search?q=text", "", http.StatusBadRequest, ""},
		{api.Status, "GET", "/search", "", http.StatusOK, ""},
		{api.Status, "HEAD", "/search", "", http.StatusOK, ""},
		{api.Webhook, "GET", "/search", "", http.StatusMethodNotAllowed, ""}, // a source's name, there
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), c.method, "http://f."+c.function+c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		b.ServeHTTP(w, r)
		if w.Code != c.want || w.Header().Get("Location") != c.location {
			t.Errorf("%s %s: got %d, Location %q, want %d, %q\n%s", c.method, c.path, w.Code, w.Header().Get("Location"), c.want, c.location, w.Body)
		}
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://f.status/api.json", nil))
	for _, want := range []string{`"/v/{version}/of/{name}":{"get":{"operationId":"getWorkflowsNameVersionsVersion",`, `"/start":{"post":`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the OpenAPI document lacks %s", want)
		}
	}
	if strings.Contains(w.Body.String(), `"/v1/openapi.json"`) {
		t.Error("the OpenAPI document still has a path that was moved")
	}
}

// TestCallsWithoutAMount are not served, and no answer points to them.
func TestCallsWithoutAMount(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	mounts := slices.DeleteFunc(everywhere(), func(m api.Mount) bool { return m.Operation == "GetSourcesName" })
	routes, err := api.Mounted(mounts)
	if err != nil {
		t.Fatal(err)
	}
	h := b.api(t, routes).Handler(api.Admin)
	for method, want := range map[string]int{"PUT": http.StatusCreated, "GET": http.StatusMethodNotAllowed} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), method, "/v1/sources/shop", strings.NewReader(shop))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(w, r)
		if w.Code != want || w.Header()["Location"] != nil {
			t.Errorf("%s: got %d, %v, want %d without a Location\n%s", method, w.Code, w.Header(), want, w.Body)
		}
	}
}

func TestMountsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event string
		edit  func(*api.Mount)
		want  string
	}{
		"unknown call":       {"GetHealth", func(m *api.Mount) { m.Operation = "GetWealth" }, "event GetHealth is no call of functions/status; its calls are GetExecutions, "},
		"another function":   {"GetHealth", func(m *api.Mount) { m.Function = "admin" }, "event GetHealth is no call of functions/admin"},
		"of the webhook":     {"GetHealth", func(m *api.Mount) { m.Function, m.Operation = "webhook", "PostSource" }, "is no call of functions/webhook"},
		"twice":              {"GetHealth", func(m *api.Mount) { m.Operation = "GetOpenapiJson"; m.Path = "/a" }, "the call is mounted twice"},
		"other parameters":   {"GetExecutionsId", func(m *api.Mount) { m.Path = "/x/{execution}" }, "has Path /x/{execution} with the parameters [execution]; this call has [id]"},
		"another's route":    {"GetHealth", func(m *api.Mount) { m.Path = "/v1/executions" }, "event GetHealth has the route GET /v1/executions, which GetExecutions has already"},
		"other names":        {"PutSourcesName", func(m *api.Mount) { m.Path = "/v1/workflows/{name}/{x}" }, "with the parameters"},
		"same shape":         {"PutSourcesName", func(m *api.Mount) { m.Path = "/v1/executions/{name}" }, "cannot be told apart from /v1/executions/{id} of GetExecutionsId"},
		"narrower elsewhere": {"GetExecutionsIdTimeline", func(m *api.Mount) { m.Path = "/v1/{id}/x" }, "event GetExecutionsIdTimeline has Path /v1/{id}/x, which cannot be told apart from /v1/executions/{id} of GetExecutionsId"},
		"no slash":           {"GetHealth", func(m *api.Mount) { m.Path = "healthz" }, `event GetHealth has the route "GET healthz"; one such as`},
		"empty":              {"GetHealth", func(m *api.Mount) { m.Path = "" }, "has the route"},
		"root":               {"GetHealth", func(m *api.Mount) { m.Path = "/" }, "has the route"},
		"two slashes":        {"GetHealth", func(m *api.Mount) { m.Path = "/a//b" }, "has the route"},
		"upwards":            {"GetHealth", func(m *api.Mount) { m.Path = "/a/../b" }, "has the route"},
		"greedy":             {"GetExecutionsId", func(m *api.Mount) { m.Path = "/a/{id+}" }, "has the route"},
		"half a brace":       {"GetExecutionsId", func(m *api.Mount) { m.Path = "/a/{id" }, "has the route"},
		"a space":            {"GetHealth", func(m *api.Mount) { m.Path = "/a b" }, "has the route"},
		"small letters":      {"GetHealth", func(m *api.Mount) { m.Method = "get" }, "has the route"},
		"any method":         {"GetHealth", func(m *api.Mount) { m.Method = "" }, "has the route"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mounts := everywhere()
			i := slices.IndexFunc(mounts, func(m api.Mount) bool { return m.Operation == c.event })
			c.edit(&mounts[i])
			if _, err := api.Mounted(mounts); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestMountsThatAreTaken can be served: ServeMux panics at patterns of which
// neither is the more specific one.
func TestMountsThatAreTaken(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "b", "c"}
	path := func() string {
		var p []string
		for range 1 + random.IntN(4) {
			p = append(p, parts[random.IntN(len(parts))])
		}
		p[random.IntN(len(p))] = "{id}"
		return "/" + strings.Join(p, "/")
	}
	taken := 0
	for range 2000 {
		mounts := slices.DeleteFunc(everywhere(), func(m api.Mount) bool { return !strings.Contains(m.Operation, "ExecutionsId") })
		for i := range mounts {
			mounts[i].Path = path()
		}
		routes, err := api.Mounted(mounts)
		if err != nil {
			continue
		}
		taken++
		a, err := api.New(api.Config{Now: func() time.Time { return noon }, Routes: routes})
		if err != nil {
			t.Fatal(err)
		}
		for _, function := range []string{api.Status, api.Webhook} {
			a.Handler(function)
		}
	}
	if taken < 100 {
		t.Errorf("only %d of 2000 were taken", taken)
	}
}
