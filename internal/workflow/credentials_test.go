package workflow

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func request(auth string) string {
	return "name: w\nsteps: [{id: a, type: http, request: {url: \"https://x\", auth: " + auth + "}}]"
}

func hook(sign string) string {
	return "name: w\nsteps: [{id: a, type: webhook, url: \"https://x\", body: {n: 1}, sign: " + sign + "}]"
}

func TestAuth(t *testing.T) {
	t.Parallel()
	for auth, want := range map[string]Auth{
		"{bearer: crm}": {Kind: Bearer, Secret: "crm"},
		"{basic: {user: me@home, password: crm-pass}}": {Kind: Basic, User: "me@home", Secret: "crm-pass"},
		"{header: {name: X-Api-Key, secret: crm}}":     {Kind: Header, Header: "X-Api-Key", Secret: "crm"},
	} {
		d, err := Parse([]byte(request(auth)))
		if err != nil {
			t.Errorf("%s: %v", auth, err)
			continue
		}
		if got := d.Step("a").Auth; got == nil || *got != want {
			t.Errorf("%s: got %+v, want %+v", auth, got, want)
		}
		if !strings.Contains(string(d.Source()), `"auth"`) {
			t.Errorf("the document has lost its auth: %s", d.Source())
		}
		v, err := d.Step("a").Request.Eval(nil)
		if _, there := v.(map[string]any)["auth"]; there || err != nil {
			t.Errorf("the request holds auth: %v, %v", v, err)
		}
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	for sign, want := range map[string]string{
		"{secret: partner}":                                    "webhook-id webhook-timestamp webhook-signature",
		"{scheme: standard-webhooks, secret: partner}":         "webhook-id webhook-timestamp webhook-signature",
		"{scheme: hmac, header: X-Signature, secret: partner}": "X-Signature",
		"{scheme: hmac, header: S, idHeader: I, timestampHeader: T, algorithm: sha512, encoding: base64, prefix: \"v0=\", signed: \"{id}.{timestamp}.{body}\", secret: partner}": "I T S",
	} {
		d, err := Parse([]byte(hook(sign)))
		if err != nil {
			t.Errorf("%s: %v", sign, err)
			continue
		}
		s := d.Step("a")
		if s.Sign.Secret != "partner" || strings.Join(s.Sign.Scheme.Headers(), " ") != want || s.AttemptTimeout != 30*time.Second {
			t.Errorf("%s: got %+v %v", sign, s, s.Sign.Scheme.Headers())
		}
		v, err := s.Request.Eval(nil)
		if m, _ := v.(map[string]any); err != nil || m["method"] != "POST" || m["url"] != "https://x" || len(m) != 3 {
			t.Errorf("got %v, %v", v, err)
		}
	}
}

// Each is refused, and the schema refuses what is a matter of shape as well.
func TestCredentialFaults(t *testing.T) {
	t.Parallel()
	const notTheSecret = "sk_live_TopSecret"
	for name, c := range map[string]struct {
		doc, want string
		beyond    bool // of what a schema can say
	}{
		"no auth":             {request("{}"), "/steps/0/request/auth: must be one of bearer, basic and header", false},
		"two auths":           {request("{bearer: a, basic: {user: u, password: p}}"), "must be one of", false},
		"unknown auth":        {request("{digest: a}"), `/steps/0/request/auth/digest: there is no field "digest"`, false},
		"auth text":           {request("crm"), "/steps/0/request/auth: must be an object", false},
		"the secret itself":   {request("{bearer: " + notTheSecret + "}"), "/steps/0/request/auth/bearer: must be the name of a secret", false},
		"an expression":       {request(`{bearer: "{{ input.which }}"}`), "must be the name of a secret", false},
		"no password":         {request("{basic: {user: u}}"), `/steps/0/request/auth/basic: the field "password" is missing`, false},
		"a colon":             {request(`{basic: {user: "a:b", password: p}}`), "/steps/0/request/auth/basic/user", false},
		"a header's name":     {request(`{header: {name: "X Key", secret: p}}`), "/steps/0/request/auth/header/name", false},
		"no header":           {request(`{header: p}`), "/steps/0/request/auth/header: must be an object", false},
		"header twice":        {"name: w\nsteps: [{id: a, type: http, request: {url: \"https://x\", headers: {authorization: x}, auth: {bearer: a}}}]", "/steps/0/request/headers/authorization: must not be given", true},
		"no sign":             {"name: w\nsteps: [{id: a, type: webhook, url: \"https://x\"}]", `/steps/0: the field "sign" is missing`, false},
		"no url":              {"name: w\nsteps: [{id: a, type: webhook, sign: {secret: p}}]", `/steps/0: the field "url" is missing`, false},
		"no secret":           {hook("{}"), `/steps/0/sign: the field "secret" is missing`, false},
		"secret in the clear": {hook("{secret: whsec_TopSecret}"), "/steps/0/sign/secret: must be the name", false},
		"later scheme":        {hook("{scheme: stripe, secret: p}"), `/steps/0/sign/scheme: "stripe" is not supported by this version`, false},
		"unknown scheme":      {hook("{scheme: mine, secret: p}"), "/steps/0/sign/scheme: must be one of standard-webhooks and hmac", false},
		"hmac field":          {hook("{header: X-S, secret: p}"), `/steps/0/sign/header: there is no field "header"`, false},
		"tolerance":           {hook("{scheme: hmac, header: X-S, tolerance: 5m, secret: p}"), `/steps/0/sign/tolerance: there is no field`, false},
		"no header named":     {hook("{scheme: hmac, secret: p}"), `/steps/0/sign: the field "header" is missing`, false},
		"algorithm":           {hook("{scheme: hmac, header: X-S, algorithm: md5, secret: p}"), "/steps/0/sign/algorithm: must be one of", false},
		"encoding":            {hook("{scheme: hmac, header: X-S, encoding: 64, secret: p}"), "/steps/0/sign/encoding: must be a string", false},
		"unsigned time":       {hook("{scheme: hmac, header: X-S, timestampHeader: T, secret: p}"), "/steps/0/sign/signed: must hold {timestamp}", true},
		"id in the text":      {hook("{scheme: hmac, header: X-S, idHeader: I, signed: \"{id}/{body}\", secret: p}"), "/steps/0/sign/signed: must keep {id} from {body} by a text that no id holds", true},
		"id behind the text":  {hook("{scheme: hmac, header: X-S, idHeader: I, signed: \"{body}-{id}\", secret: p}"), "/steps/0/sign/signed: must keep {id} from {body} by a text that no id holds", true},
		"the URL's header":    {hook("{scheme: hmac, header: host, secret: p}"), "/steps/0/sign/header: must not be set: it comes from url", true},
		"the step's header":   {hook("{scheme: hmac, header: X-S, idHeader: Idempotency-Key, secret: p}"), "/steps/0/sign/idHeader: must not be set: it is set for every call", true},
		"signature twice":     {"name: w\nsteps: [{id: a, type: webhook, url: \"https://x\", headers: {Webhook-Id: x}, sign: {secret: p}}]", "/steps/0/headers/Webhook-Id: must not be given", true},
		"url":                 {"name: w\nsteps: [{id: a, type: webhook, url: x, sign: {secret: p}}]", "/steps/0/url: must be an absolute", true},
		"method":              {"name: w\nsteps: [{id: a, type: webhook, method: PUT, url: \"https://x\", sign: {secret: p}}]", `/steps/0/method: there is no field "method"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(c.doc))
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want faults", err)
			}
			all := ""
			for _, f := range faults {
				all += f.Pointer + ": " + f.Detail + "\n"
			}
			if !strings.Contains(all, c.want) || strings.Contains(all, "TopSecret") {
				t.Errorf("got\n%swant %q", all, c.want)
			}
			if valid := schemaAccepts(t, c.doc); valid != c.beyond {
				t.Errorf("the schema accepts: %v, want %v", valid, c.beyond)
			}
		})
	}
}

// TestSchemaIsWhatTheParserTakes: what the parser takes, the schema takes.
func TestSchemaIsWhatTheParserTakes(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{
		full,
		request("{bearer: crm}"), request("{basic: {user: u, password: p}}"), request("{header: {name: X-Api-Key, secret: p}}"),
		hook("{secret: p}"), hook("{scheme: standard-webhooks, secret: p}"), hook("{scheme: hmac, header: S, secret: p}"),
		hook("{scheme: hmac, header: S, idHeader: I, timestampHeader: T, algorithm: sha1, encoding: hex, prefix: \"s=\", signed: \"{id}.{timestamp}.{body}\", secret: p}"),
	} {
		if _, err := Parse([]byte(doc)); err != nil {
			t.Errorf("%s\n%v", doc, err)
		}
		if !schemaAccepts(t, doc) {
			t.Errorf("the schema refuses\n%s", doc)
		}
	}
}

func schemaAccepts(t *testing.T, doc string) bool {
	t.Helper()
	published, err := jsonschema.UnmarshalJSON(strings.NewReader(string(Schema())))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:workflow.json", published); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:workflow.json")
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal([]byte(doc), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	v, err = jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v) == nil
}
