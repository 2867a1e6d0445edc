package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/wiring/wiringtest"
)

// copyOf is the template with some of its text replaced.
func copyOf(t *testing.T, edit func(string) string) string {
	t.Helper()
	src, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	changed := edit(string(src))
	if changed == string(src) {
		t.Fatal("the edit changes nothing: template.yaml has changed")
	}
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func without(resource string) func(string) string {
	return func(src string) string {
		before, rest, _ := strings.Cut(src, "\n  "+resource+":\n")
		_, after, _ := strings.Cut(rest, "\n\n")
		return before + "\n\n" + after
	}
}

// TestItDoesNotStart: one clear line on stderr, status 1.
func TestItDoesNotStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // after the parallel subtests
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"-addr", "127.0.0.1:0", "-webhook-addr", "127.0.0.1:0", "-template", template}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"taken port":         {[]string{"-addr", taken.Addr().String()}, "-addr " + taken.Addr().String() + " is taken by another program"},
		"taken webhook port": {[]string{"-webhook-addr", taken.Addr().String()}, "-webhook-addr " + taken.Addr().String() + " is taken"},
		"foreign address":    {[]string{"-insecure", "-addr", "192.0.2.1:0"}, "-addr 192.0.2.1:0: cannot listen there"},
		"open to others":     {[]string{"-addr", "0.0.0.0:0"}, "say -insecure"},
		"folder is a file":   {[]string{"-data", file}, "data folder " + file},
		"folder in a file":   {[]string{"-data", filepath.Join(file, "x")}, "data folder " + file},
		"no template":        {[]string{"-template", "nowhere.yaml"}, "nowhere.yaml: cannot read the template: no such file or directory"},
		"queue removed":      {[]string{"-template", copyOf(t, without("NormalQueue"))}, "WorkerFunction: event Normal names queue NormalQueue, which is not declared"},
		"function removed":   {[]string{"-template", copyOf(t, without("CancelFunction"))}, "has no function with Handler cancel"},
		"broken template":    {[]string{"-template", copyOf(t, func(s string) string { return s[:len(s)/2] + "\n {{{" })}, "template.yaml:"},
		"unknown call": {[]string{"-template", wiringtest.Copy(t, template, "GetHealth:", "GetWealth:")},
			"StatusFunction: event GetWealth is no call of functions/status"},
		"unknown flag": {[]string{"-demo"}, "-demo"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			status, message := failing(t, append(append([]string{"-data", data}, base...), c.args...)...)
			if status != 1 || !strings.HasPrefix(message, "stepline: ") || !strings.Contains(message, c.want) || strings.Count(message, "\n") != 1 {
				t.Errorf("status %d, stderr %q\nwant 1 and one line with %q", status, message, c.want)
			}
		})
	}
}

func TestDataThatCannotBeUsedIsLeftAlone(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	garbage := bytes.Repeat([]byte("this is no database "), 500)
	file := filepath.Join(data, "stepline.db")
	if err := os.WriteFile(file, garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	status, message := failing(t, "-addr", "127.0.0.1:0", "-webhook-addr", "127.0.0.1:0", "-template", template, "-data", data)
	if status != 1 || !strings.Contains(message, "data folder "+data) || strings.Count(message, "\n") != 1 {
		t.Errorf("status %d, stderr %q; want 1 and one line that names %s", status, message, data)
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, garbage) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestASecondProcessIsKeptOut(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := start(t, "-no-demo", "-data", data)
	status, message := failing(t, "-addr", "127.0.0.1:0", "-webhook-addr", "127.0.0.1:0", "-template", template, "-data", data)
	if status != 1 || !strings.Contains(message, "in use by another process") || strings.Count(message, "\n") != 1 {
		t.Errorf("status %d, stderr %q; want 1 and one line about the lock", status, message)
	}
	p.end()
}

const short = `{"name": "short", "steps": [{"id": "a", "type": "transform", "output": 1}], "output": "{{ steps.a.output }}"}`

// TestAChangedRouteIsFollowed: the new path answers, the old one is left to
// the call that still has it.
func TestAChangedRouteIsFollowed(t *testing.T) {
	t.Parallel()
	path := wiringtest.Copy(t, template, "Method: POST, Path: /v1/executions}", "Method: POST, Path: /v1/starts}")
	p := start(t, "-no-demo", "-data", t.TempDir(), "-template", path)
	if code := p.call(http.MethodPut, "/workflows/short", short, nil); code != http.StatusCreated {
		t.Fatalf("PUT: %d", code)
	}
	const body = `{"workflow": "short"}`
	var started struct{ ID string }
	if code := p.call(http.MethodPost, "/starts", body, &started); code != http.StatusAccepted || started.ID == "" {
		t.Errorf("the new route: %d %+v, want 202", code, started)
	}
	var gone struct {
		Status int
		Type   string
	}
	if code := p.call(http.MethodPost, "/executions", body, &gone); code != http.StatusMethodNotAllowed || gone.Type == "" {
		t.Errorf("the old route: %d %+v, want 405 as a problem document", code, gone)
	}
	if code := p.call(http.MethodGet, "/executions", "", nil); code != http.StatusOK {
		t.Errorf("the route beside it: %d, want 200", code)
	}
	p.end()
}

// TestOtherSitesAreRefused: a web page must not reach the API by a name that
// was rebound to this machine, nor by a form of its own.
func TestOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	p := start(t, "-no-demo", "-data", t.TempDir())
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Host = "evil.example" },
		func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
	} {
		req, err := http.NewRequest(http.MethodGet, p.api+"/workflows", nil)
		if err != nil {
			t.Fatal(err)
		}
		change(req)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("got %d, want 403", res.StatusCode)
		}
	}
	p.end()
}
