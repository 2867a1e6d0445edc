package functions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// deployed runs infra/deploy.sh with tools that only note how they are called,
// and returns the notes.
func deployed(t *testing.T, describe string, env []string, args ...string) (notes string, err error) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range map[string]string{
		"aws":     "case \"$*\" in *describe-stacks*) " + describe + ";; *) echo the-table;; esac",
		"sam":     "echo sam \"$@\" >>" + dir + "/notes",
		"openssl": "printf '%064d\n' 7",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), "../infra/deploy.sh", args...)
	c.Env = append(append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "ARCH=", "PARAMETERS="), env...)
	out, err := c.CombinedOutput()
	said, _ := os.ReadFile(filepath.Join(dir, "notes")) // none when nothing was called
	return string(said) + string(out), err
}

const (
	noStack   = "echo 'Stack with id stepline-dev does not exist' >&2; exit 254"
	noAccess  = "echo 'Unable to locate credentials' >&2; exit 253"
	someStack = "echo UPDATE_COMPLETE"
	deadStack = "echo ROLLBACK_COMPLETE"
)

func TestDeployMakesTheKeyOnce(t *testing.T) {
	t.Parallel()
	tr, err := parseTemplate(current(t).template)
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(` CallbackKeys=` + text(tr, "Parameters", "CallbackKeys", "AllowedPattern") + `\s`)
	first, err := deployed(t, noStack, nil, "deploy", "dev")
	if err != nil || !key.MatchString(first) || !strings.Contains(first, "--config-env dev --parameter-overrides Stage=dev") || !strings.Contains(first, "Architecture=arm64") {
		t.Errorf("first: %v\n%s", err, first)
	}
	again, err := deployed(t, someStack, []string{"ARCH=x86_64"}, "deploy", "prod")
	if err != nil || strings.Contains(again, "CallbackKeys") || !strings.Contains(again, "Stage=prod") || strings.Count(again, "Architecture=x86_64") != 2 {
		t.Errorf("again: %v\n%s", err, again)
	}
	rotated, err := deployed(t, someStack, []string{"PARAMETERS=CallbackKeys=new,old"}, "deploy", "dev")
	if err != nil || !strings.Contains(rotated, "CallbackKeys=new,old") {
		t.Errorf("rotated: %v\n%s", err, rotated)
	}
}

// TestDeployStops before anything is built or changed.
func TestDeployStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		describe, env, want string
		args                []string
	}{
		{noAccess, "", "Unable to locate credentials", []string{"deploy", "dev"}},
		{noStack, "", "an ENV of infra/samconfig.toml: dev prod", []string{"deploy", "staging"}},
		{noStack, "", "usage: infra/deploy.sh", []string{"deploy"}},
		{noStack, "", "usage: infra/deploy.sh", []string{"remove", "dev"}},
		{noStack, "ARCH=amd64", "arm64 or x86_64 is expected", []string{"deploy", "dev"}},
		{someStack, "PARAMETERS=Architecture=x86_64", "say ARCH=arm64 or ARCH=x86_64 instead", []string{"deploy", "dev"}},
		{someStack, "PARAMETERS=BatchSize=1 ParameterKey=Architecture,ParameterValue=x86_64", "say ARCH=", []string{"deploy", "dev"}},
		{deadStack, "", "aws cloudformation delete-stack --stack-name stepline-dev\n", []string{"deploy", "dev"}},
		{"echo DELETE_FAILED", "", "is in DELETE_FAILED", []string{"deploy", "prod"}},
	} {
		out, err := deployed(t, c.describe, []string{c.env}, c.args...)
		if err == nil || !strings.Contains(out, c.want) || strings.Contains(out, "sam ") {
			t.Errorf("%v %s: %v, %s; want a failure with %q", c.args, c.env, err, out, c.want)
		}
	}
}

func TestDestroyKeepsTheTable(t *testing.T) {
	t.Parallel()
	out, err := deployed(t, someStack, nil, "destroy", "dev")
	if err != nil || !strings.Contains(out, "sam delete --stack-name stepline-dev --no-prompts") || !strings.Contains(out, "delete-table --table-name the-table") {
		t.Errorf("dev: %v\n%s", err, out)
	}
	out, err = deployed(t, someStack, nil, "destroy", "prod")
	if err != nil || strings.Contains(out, "--no-prompts") {
		t.Errorf("prod: %v\n%s", err, out)
	}
}
