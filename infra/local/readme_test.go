package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)\n```$")

// TestReadmesCommandsWork runs the page's shell blocks as they stand, but for
// the two addresses, against the program.
func TestReadmesCommandsWork(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md has no shell block any more")
	}
	p := start(t, "-no-demo", "-data", t.TempDir())
	here := strings.NewReplacer("http://127.0.0.1:3000", strings.TrimSuffix(p.api, "/v1"), "http://127.0.0.1:3001", p.webhooks)
	var all strings.Builder
	for _, b := range blocks {
		out, err := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", here.Replace(b[1])).CombinedOutput()
		if err != nil {
			t.Fatalf("%s\n%s\n%v", b[1], out, err)
		}
		all.Write(out)
	}
	for _, want := range []string{`"version":1`, `"status":"succeeded"`, `"greeting":"Hello, world!"`, `"health":"ok"`} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %s in\n%s", want, all.String())
		}
	}
	p.end()
}
