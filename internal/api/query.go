package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// later are parameters of GET /v1/executions that are named but not built yet.
var later = []string{"category", "q", "priority"}

// checkQuery refuses parameters that the route does not know: one that is
// misspelt must not silently select everything. Webhooks are called by others,
// who may add what they like.
func checkQuery(route *Route, r *http.Request) error {
	if r.URL.RawQuery == "" || route.Function == Webhook {
		return nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.New(problem.BadRequest, "the query string is not readable: "+err.Error())
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // the same answer to the same request
	for _, name := range names {
		known := slices.ContainsFunc(route.query, func(p param) bool { return p.name == name })
		switch {
		case known && len(values[name]) > 1:
			return badParameter(name, "must be given once")
		case known:
		case route.handlesLater() && (slices.Contains(later, name) || strings.HasPrefix(name, "tag.")):
			return badParameter(name, "is not supported by this version")
		default:
			return badParameter(strconv.Quote(name), "is not known"+knownParameters(route))
		}
	}
	return nil
}

func (r *Route) handlesLater() bool {
	return r.Operation() == "getExecutions"
}

func knownParameters(route *Route) string {
	if len(route.query) == 0 {
		return "; this call takes none"
	}
	var names []string
	for _, p := range route.query {
		names = append(names, p.name)
	}
	return "; known are " + strings.Join(names, ", ")
}

func badParameter(name, detail string) error {
	return problem.New(problem.BadRequest, "query parameter "+name+" "+detail)
}

// filterOf reads the parameters of a list of executions.
func filterOf(q url.Values) (f history.Filter, err error) {
	f = history.Filter{Workflow: q.Get("workflow"), Status: record.Status(q.Get("status")), Cursor: q.Get("cursor")}
	if f.Status != "" && !slices.Contains(record.Statuses, f.Status) {
		return f, badParameter("status", "must be one of "+joinStatuses())
	}
	if f.Version, err = number(q, "version", 0, 1<<31-1); err != nil {
		return f, err
	}
	if f.Limit, err = number(q, "limit", history.DefaultLimit, history.MaxLimit); err != nil {
		return f, err
	}
	if f.From, err = moment(q, "from"); err != nil {
		return f, err
	}
	if f.To, err = moment(q, "to"); err != nil {
		return f, err
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return f, badParameter("to", "must be later than from")
	}
	for _, name := range []string{"workflow", "status", "cursor"} {
		if q.Has(name) && q.Get(name) == "" {
			return f, badParameter(name, "must not be empty")
		}
	}
	return f, nil
}

func joinStatuses() string {
	var all []string
	for _, s := range record.Statuses {
		all = append(all, string(s))
	}
	return strings.Join(all, ", ")
}

// number is a whole number from 1 to most; def when it is absent.
func number(q url.Values, name string, def, most int) (int, error) {
	if !q.Has(name) {
		return def, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < 1 || n > most {
		return 0, badParameter(name, fmt.Sprintf("must be a whole number from 1 to %d", most))
	}
	return n, nil
}

// moment is a time; zero when it is absent.
func moment(q url.Values, name string) (time.Time, error) {
	if !q.Has(name) {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, q.Get(name))
	if err != nil {
		return t, badParameter(name, `must be an RFC 3339 time such as 2026-01-31T18:00:00Z (a "+" is written %2B)`)
	}
	if t.IsZero() { // which would be no bound; nothing is older than a moment later either
		t = t.Add(time.Nanosecond)
	}
	return t, nil
}
