//go:build sam

package functions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/wiring/wiringtest"
)

// moved puts the health call of a stand elsewhere: in the template that SAM
// serves, and in a status function that is built by such a template. It returns
// where the call is.
func (e *environment) moved(t *testing.T, s *stand) string {
	t.Helper()
	const from, to = "Path: /v1/health", "Path: /is/it/up"
	dir := filepath.Join(filepath.Dir(s.template), "moved-"+s.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	template := wiringtest.Copy(t, "../template.yaml", from, to)
	c := exec.CommandContext(t.Context(), "make", "-s", "-C", e.root, "build-StatusFunction", "ARTIFACTS_DIR="+dir, "ARCH="+e.arch, "TEMPLATE="+template)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	served, err := os.ReadFile(s.template)
	if err != nil {
		t.Fatal(err)
	}
	text := wiringtest.Edit(t, string(served), from, to, "CodeUri: StatusFunction\n", "CodeUri: moved-"+s.name+"\n")
	if err := os.WriteFile(s.template, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return to[len("Path: "):]
}
