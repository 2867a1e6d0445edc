//go:build sam

package functions_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// moved puts the health call of a stand elsewhere: in the template that SAM
// serves, and in a status function that is built by such a template. It returns
// where the call is.
func (e *environment) moved(t *testing.T, s *stand) string {
	t.Helper()
	const from, to = "Path: /v1/health", "Path: /is/it/up"
	move := func(template string) []byte {
		src, err := os.ReadFile(template)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(src, []byte(from)) {
			t.Fatalf("%s does not contain %q any more", template, from)
		}
		return bytes.Replace(src, []byte(from), []byte(to), 1)
	}
	dir := filepath.Join(filepath.Dir(s.template), "moved-"+s.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	template := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(template, move("../template.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "make", "-s", "-C", e.root, "build-StatusFunction", "ARTIFACTS_DIR="+dir, "ARCH="+e.arch, "TEMPLATE="+template)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	served := bytes.Replace(move(s.template), []byte("CodeUri: StatusFunction\n"), []byte("CodeUri: moved-"+s.name+"\n"), 1)
	if err := os.WriteFile(s.template, served, 0o600); err != nil {
		t.Fatal(err)
	}
	return to[len("Path: "):]
}
