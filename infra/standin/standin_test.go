package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is missing is said at once, in one line, with how to get it.
func TestMissingTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := tools("java", "npm", "mvn")
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v, want one line", err)
	}
	for _, name := range []string{"java", "npm", "mvn"} {
		if !strings.Contains(err.Error(), name+": install") || howToGet[name] == "" {
			t.Errorf("%v does not say how to get %s", err, name)
		}
	}
}

// A folder is there complete or not at all, and filled once.
func TestOnce(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	dir := filepath.Join(cache, "tool")
	broken := errors.New("the network is gone")
	half := func(into string) error {
		return errors.Join(os.WriteFile(filepath.Join(into, "half"), nil, 0o600), broken)
	}
	if err := once(dir, half); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) != 0 {
		t.Errorf("a broken download left %v, %v", left, err)
	}
	fills := 0
	for range 2 {
		err := once(dir, func(into string) error {
			fills++
			return os.WriteFile(filepath.Join(into, "whole"), nil, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "whole")); err != nil || fills != 1 {
		t.Errorf("filled %d times: %v", fills, err)
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	got := ports(strings.NewReader("Initializing\nport 1234 5678\nmore\n"), &log)
	if len(got) != 2 || got[0] != "1234" || got[1] != "5678" || log.String() != "Initializing\n" {
		t.Errorf("ports %v, log %q", got, log.String())
	}
	if got := ports(strings.NewReader("no such class\n"), &log); got != nil {
		t.Errorf("ports %v of a program that said none", got)
	}
}
