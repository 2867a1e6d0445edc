package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/api"
)

func orders(n int) string {
	return fmt.Sprintf(`{"name":"orders","steps":[{"id":"one","type":"transform","output":{"n":%d}}]}`, n)
}

const ordersPath = "/v1/workflows/orders"

func TestPutWorkflow(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for _, c := range []struct {
		n, status, version int
	}{{1, 201, 1}, {1, 200, 1}, {2, 201, 2}} {
		out := b.want(c.status, "PUT", ordersPath, orders(c.n))
		s := decode[api.Stored](t, out)
		if s.Name != "orders" || s.Version != c.version || s.Warnings == nil {
			t.Errorf("put #%d: %s, want version %d", c.n, out.body, c.version)
		}
		if want := fmt.Sprintf("%s/versions/%d", ordersPath, c.version); out.header.Get("Location") != want {
			t.Errorf("Location = %q, want %q", out.header.Get("Location"), want)
		}
	}
}

func TestReadWorkflows(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.want(201, "PUT", ordersPath, orders(1))
	b.want(201, "PUT", ordersPath, orders(2))

	out := b.want(200, "GET", ordersPath, "")
	w := decode[api.Shown](t, out)
	if w.Name != "orders" || w.Version != 2 || w.Latest != 2 || !strings.Contains(string(w.Document), `"n":2`) {
		t.Errorf("workflow = %s", out.body)
	}
	b.want(304, "GET", ordersPath, "", "If-None-Match", out.header.Get("ETag"))

	versions := decode[struct{ Items []api.Listed }](t, b.want(200, "GET", ordersPath+"/versions", "")).Items
	if len(versions) != 2 || versions[0].Version != 2 || !versions[0].Live || versions[1].Live || len(versions[1].SHA256) != 64 || !versions[0].CreatedAt.Equal(noon) {
		t.Errorf("versions = %+v", versions)
	}
	first := decode[api.ShownVersion](t, b.want(200, "GET", ordersPath+"/versions/1", ""))
	if first.Version != 1 || first.Live || !strings.Contains(string(first.Document), `"n":1`) {
		t.Errorf("version 1 = %+v", first)
	}
	b.want(404, "GET", ordersPath+"/versions/3", "")
	b.want(404, "GET", ordersPath+"/versions/0", "")
}

func TestLive(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.want(201, "PUT", ordersPath, orders(1))
	b.want(201, "PUT", ordersPath, orders(2))
	if n := decode[api.Named](t, b.want(200, "PUT", ordersPath+"/live", `{"version":1}`)); n.Version != 1 || n.Latest != 2 {
		t.Errorf("put live = %+v", n)
	}
	if n := decode[api.Named](t, b.want(200, "GET", ordersPath+"/live", "")); n.Version != 1 || n.Latest != 2 {
		t.Errorf("get live = %+v", n)
	}
	if w := decode[api.Shown](t, b.want(200, "GET", ordersPath, "")); w.Version != 1 || !strings.Contains(string(w.Document), `"n":1`) {
		t.Errorf("workflow = %+v, want version 1", w)
	}
	b.want(404, "PUT", ordersPath+"/live", `{"version":3}`)
}

func TestDeleteWorkflow(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.want(201, "PUT", ordersPath, orders(1))
	b.open.Store(true)
	b.want(409, "DELETE", ordersPath, "")
	b.open.Store(false)
	if out := b.want(204, "DELETE", ordersPath, ""); out.body != "" {
		t.Errorf("body %q, want none", out.body)
	}
	b.want(404, "GET", ordersPath, "")
	b.want(200, "PUT", ordersPath, orders(1))
	b.want(200, "GET", ordersPath, "")
}

func TestListWorkflows(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for i := range 5 {
		name := fmt.Sprintf("w%d", i)
		b.want(201, "PUT", "/v1/workflows/"+name, strings.Replace(orders(1), "orders", name, 1))
	}
	var names []string
	target := "/v1/workflows?limit=2"
	for range 5 {
		page := decode[struct {
			Items []api.Named
			Next  string
		}](t, b.want(200, "GET", target, ""))
		for _, n := range page.Items {
			names = append(names, n.Name)
		}
		if page.Next == "" {
			break
		}
		target = "/v1/workflows?limit=2&cursor=" + page.Next
	}
	if got := strings.Join(names, " "); got != "w0 w1 w2 w3 w4" {
		t.Errorf("workflows = %s", got)
	}
}

func TestValidateStoresNothing(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	if c := decode[api.Checked](t, b.want(200, "POST", ordersPath+"/validate", orders(1))); !c.Valid || c.Warnings == nil {
		t.Errorf("validation = %+v", c)
	}
	if n := b.table.writes.Load(); n != 0 {
		t.Errorf("%d writes, want none", n)
	}
	b.want(404, "GET", ordersPath, "")
}
