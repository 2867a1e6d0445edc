package main

import (
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestDemo is what a newcomer sees, twice with the same data folder.
func TestDemo(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for range 2 {
		p := start(t, "-data", data)
		id := p.await(`^Sample execution (ex_\S+) succeeded in \S+s$`)
		out := p.output()
		for _, row := range []string{
			`price +transform +succeeded`,
			`stock +http +succeeded +1 `,
			`payment +http +succeeded +3 \(2 failed\)`,
			`gift +http +succeeded +1 `,
			`second-thoughts +wait +succeeded`,
			`shipment +http +succeeded +1 `,
		} {
			if !regexp.MustCompile(row).MatchString(out) {
				t.Errorf("no row like %q in\n%s", row, out)
			}
		}
		var ex struct {
			Status string `json:"status"`
			Output map[string]string
		}
		if code := p.call(http.MethodGet, "/executions/"+id, "", &ex); code != http.StatusOK || ex.Status != "succeeded" {
			t.Errorf("GET: %d %+v", code, ex)
		}
		if !strings.HasPrefix(ex.Output["shipment"], "shipment-") || !strings.HasPrefix(ex.Output["payment"], "payment-") {
			t.Errorf("output: %v", ex.Output)
		}
		var flow struct{ Version, Latest int }
		if code := p.call(http.MethodGet, "/workflows/sample-order", "", &flow); code != http.StatusOK || flow.Latest != 1 {
			t.Errorf("workflow: %d %+v, want one version however often the program starts", code, flow)
		}
		if code := p.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("status %d after SIGTERM, want 0", code)
		}
		if p.errs.Len() > 0 {
			t.Errorf("the log is not quiet: %s", p.errs.String())
		}
	}
}

func TestNoDemo(t *testing.T) {
	t.Parallel()
	p := start(t, "-no-demo", "-data", t.TempDir())
	for _, path := range []string{"/workflows", "/executions"} {
		var list struct{ Items []any }
		if code := p.call(http.MethodGet, path, "", &list); code != http.StatusOK || len(list.Items) != 0 {
			t.Errorf("%s: %d %v, want nothing", path, code, list.Items)
		}
	}
	p.end()
	if out := p.output(); strings.Contains(out, "ample") {
		t.Errorf("-no-demo speaks of samples:\n%s", out)
	}
}
