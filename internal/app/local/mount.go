package local

import (
	"net/http"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// mounted is the route table with each call where the template puts it. An
// error names a route that no function serves.
func mounted(routes []wiring.Route) ([]api.Route, error) {
	mounts := make([]api.Mount, len(routes))
	for i, r := range routes {
		mounts[i] = api.Mount(r)
	}
	return api.Mounted(mounts)
}

// API is the handler of the HTTP API: each function's handler on the routes
// that the template gives it.
func (m *Machine) API() http.Handler {
	mux := http.NewServeMux()
	for _, r := range m.routes {
		if r.Function != api.Webhook {
			mux.Handle(r.Method+" "+r.Pattern, m.HTTP(r.Function))
		}
	}
	none := m.HTTP("") // 404 in the API's own words, or 405
	mux.Handle("/", none)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !api.CleanPath(r) {
			none.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// Webhooks is the handler behind the function URL.
func (m *Machine) Webhooks() http.Handler { return m.HTTP(api.Webhook) }
