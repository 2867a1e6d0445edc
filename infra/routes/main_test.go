package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/wiring/wiringtest"
)

const template = "../../template.yaml"

func TestRoutesOfATemplate(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run([]string{wiringtest.Copy(t, template, "Path: /v1/health}", "Path: /healthz}")}, &out); err != nil {
		t.Fatal(err)
	}
	var mounts []api.Mount
	if err := json.Unmarshal(out.Bytes(), &mounts); err != nil {
		t.Fatal(err)
	}
	routes, err := api.Mounted(mounts)
	if err != nil || len(routes) != len(api.Routes()) {
		t.Fatalf("%d routes, %v; want all %d", len(routes), err, len(api.Routes()))
	}
	for _, r := range routes {
		if r.Event() == "GetHealth" && r.Pattern != "/healthz" {
			t.Errorf("health is at %s", r.Pattern)
		}
	}
}

func TestRefusedTemplates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no template":   {nil, "one argument is expected"},
		"not there":     {[]string{"nowhere.yaml"}, "nowhere.yaml: cannot read the template"},
		"queue removed": {[]string{wiringtest.Copy(t, template, "  NormalQueue:\n", "  OtherQueue:\n")}, "OtherQueue: is no lane"},
		"unknown call":  {[]string{wiringtest.Copy(t, template, "GetHealth:", "GetWealth:")}, "event GetWealth is no call of functions/status"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := run(c.args, &out); err == nil || !strings.Contains(err.Error(), c.want) || out.Len() > 0 {
				t.Errorf("got %v and %q, want %q", err, &out, c.want)
			}
		})
	}
}
