package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/api"
)

const template = "../../template.yaml"

// edited is the path of the template with a text replaced.
func edited(t *testing.T, old, with string) string {
	t.Helper()
	src, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(src), old) {
		t.Fatalf("template.yaml does not contain %q any more", old)
	}
	at := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(at, []byte(strings.Replace(string(src), old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

func TestRoutesOfATemplate(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run([]string{edited(t, "Path: /v1/health}", "Path: /healthz}")}, &out); err != nil {
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
		"queue removed": {[]string{edited(t, "  NormalQueue:\n", "  OtherQueue:\n")}, "OtherQueue: is no lane"},
		"unknown call":  {[]string{edited(t, "GetHealth:", "GetWealth:")}, "event GetWealth is no call of functions/status"},
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
