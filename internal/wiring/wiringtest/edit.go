// Package wiringtest changes a template for the tests of those who follow it.
package wiringtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Edit replaces the first occurrence of each first text of a pair by the second.
// A text that is not there fails the test: it would try nothing any more.
func Edit(t testing.TB, text string, edits ...string) string {
	t.Helper()
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the template does not contain %q any more", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	return text
}

// Copy is the path of an edited copy of the template at path.
func Copy(t testing.TB, path string, edits ...string) string {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(at, []byte(Edit(t, string(src), edits...)), 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}
