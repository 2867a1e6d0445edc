package api_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/webhook"
)

const shop = `{"name":"shop","verify":{"secrets":["shop"]},"start":{"workflow":"orders"}}`

func TestSources(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	out := b.want(201, "PUT", "/v1/sources/shop", shop)
	if got := decode[api.StoredSource](t, out); out.header.Get("Location") != "/v1/sources/shop" || len(got.Warnings) != 1 || got.Warnings[0].Pointer != "/start/workflow" {
		t.Errorf("got %v %s, want a warning of the workflow that is not there", out.header, out.body)
	}
	b.want(201, "PUT", "/v1/workflows/orders", `{"name":"orders","steps":[{"id":"a","type":"transform","output":1}]}`)
	if got := decode[api.StoredSource](t, b.want(200, "PUT", "/v1/sources/shop", shop)); len(got.Warnings) != 0 {
		t.Errorf("got %v", got)
	}
	yaml := "name: shop\nverify: {scheme: hmac, header: X-S, secrets: [shop]}\nstart: {workflow: orders}"
	if got := decode[api.StoredSource](t, b.want(200, "PUT", "/v1/sources/shop", yaml, "Content-Type", "application/yaml")); len(got.Warnings) != 2 {
		t.Errorf("got %v, want what the signature leaves open", got)
	}
	shown := b.want(200, "GET", "/v1/sources/shop", "")
	if !strings.Contains(shown.body, `"document":{"name":"shop","start":{"workflow":"orders"},"verify":{"header":"X-S","scheme":"hmac","secrets":["shop"]}}`) {
		t.Errorf("got %s", shown.body)
	}
	b.want(304, "GET", "/v1/sources/shop", "", "If-None-Match", shown.header.Get("ETag"))
	b.want(204, "DELETE", "/v1/sources/shop", "")
	b.want(404, "GET", "/v1/sources/shop", "")
	b.want(404, "DELETE", "/v1/sources/shop", "")
	b.want(201, "PUT", "/v1/sources/shop", shop)
}

func TestListSources(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	if out := b.want(200, "GET", "/v1/sources", ""); out.body != "{\"items\":[]}\n" {
		t.Errorf("got %s", out.body)
	}
	for _, name := range []string{"c", "a", "b"} {
		b.want(201, "PUT", "/v1/sources/"+name, strings.ReplaceAll(shop, `"name":"shop"`, `"name":"`+name+`"`))
	}
	var names []string
	for next := "?limit=2"; next != ""; {
		got := decode[struct {
			Items []api.NamedSource
			Next  string
		}](t, b.want(200, "GET", "/v1/sources"+next, ""))
		for _, s := range got.Items {
			names = append(names, s.Name)
		}
		if next = ""; got.Next != "" {
			next = "?limit=2&cursor=" + got.Next
		}
	}
	if strings.Join(names, "") != "abc" {
		t.Errorf("got %v", names)
	}
}

func TestEventsArePassedOn(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.events.out = webhook.Receipt{Event: "msg_1", Executions: []string{someID}}
	send := func(status int, path string) {
		t.Helper()
		out := b.want(status, "POST", "http://hooks.example.com"+path, " {\"a\" : 1}\n", "Content-Type", "text/odd", "Webhook-Id", "msg_1")
		if out.body != `{"event":"msg_1","executions":["`+someID+`"]}`+"\n" {
			t.Errorf("%s answers %s", path, out.body)
		}
	}
	send(202, "/shop?from=anywhere")
	b.events.out.Repeated = true
	send(200, "/acme/shop")
	for i, want := range []struct{ tenant, source string }{{"default", "shop"}, {"acme", "shop"}} {
		d := b.events.got[i]
		if d.Tenant != want.tenant || d.Source != want.source || string(d.Body) != " {\"a\" : 1}\n" || d.Header["Webhook-Id"][0] != "msg_1" {
			t.Errorf("got %+v, want %v and the body byte for byte", d, want)
		}
	}
}

// Two refusals cannot be told apart, whatever the reason.
func TestARefusedEventIs401(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.events.err = &problem.Error{Code: problem.Unauthorized, Detail: "no", Cause: errors.New("the reason")}
	out := b.want(401, "POST", "http://hooks.example.com/shop", "{}")
	if strings.Contains(out.body, "reason") || strings.Contains(b.log.String(), "reason") {
		t.Errorf("got %s, logged %s", out.body, b.log.String())
	}
}

// The webhook address knows nothing of the API, nor the API of its names.
func TestTheTwoAddressesAreApart(t *testing.T) {
	t.Parallel()
	a, err := api.New(api.Config{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		function, method, path string
		want                   int
	}{
		{api.Webhook, "GET", "/v1/workflows", 404}, {api.Webhook, "PUT", "/v1/sources/shop", 404},
		{api.Admin, "POST", "/shop", 404}, {api.Execute, "POST", "/acme/shop", 404}, {"", "POST", "/v1/nothing", 404}, {"", "GET", "/nothing", 404},
	} {
		w := httptest.NewRecorder()
		a.Handler(c.function).ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.want {
			t.Errorf("function %q answers %s %s with %d, want %d", c.function, c.method, c.path, w.Code, c.want)
		}
	}
}
