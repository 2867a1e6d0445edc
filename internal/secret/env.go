package secret

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// VariablePrefix starts the variable of a secret.
const VariablePrefix = "STEPLINE_SECRET_"

// Variable is the variable that holds a secret: crm-key is in
// STEPLINE_SECRET_CRM_KEY.
func Variable(name string) string {
	return VariablePrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Env finds secrets in the environment and, failing that, in an env file, which
// is read anew each time: no restart is needed.
type Env struct {
	getenv func(string) string
	path   string
}

var _ Store = (*Env)(nil)

// NewEnv reads the environment by getenv and the file at path, which need not
// exist; with an empty path there is no file. A file that cannot be used is an
// error of one line, now and later.
func NewEnv(getenv func(string) string, path string) (*Env, error) {
	e := &Env{getenv: getenv, path: path}
	_, err := e.file()
	return e, err
}

// Lookup is the value of a secret.
func (e *Env) Lookup(_ context.Context, name string) (string, bool, error) {
	variable := Variable(name)
	if v := e.getenv(variable); v != "" {
		return v, true, nil
	}
	all, err := e.file()
	if err != nil {
		return "", false, err
	}
	v, found := all[variable]
	return v, found, nil
}

// Place says where the secret would have to be put.
func (e *Env) Place(name string) string {
	if e.path == "" {
		return "the variable " + Variable(name)
	}
	return fmt.Sprintf("the variable %s or the file %s", Variable(name), e.path)
}

// file reads the env file: a variable a line, as in NAME=value, with blank
// lines and comments between. The value goes on to the end of its line; quotes
// around it are taken off.
func (e *Env) file() (map[string]string, error) {
	if e.path == "" {
		return map[string]string{}, nil
	}
	src, err := ReadFile(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	return e.parse(src)
}

func (e *Env) parse(src []byte) (map[string]string, error) {
	all := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(src))
	lines.Buffer(nil, maxFile+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		if !ok || !strings.HasPrefix(name, VariablePrefix) || len(name) == len(VariablePrefix) {
			return nil, fmt.Errorf("%s: line %d is no secret; %sNAME=value is expected", e.path, n, VariablePrefix)
		}
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("%s: line %d names %s a second time", e.path, n, name)
		}
		all[name] = unquoted(strings.TrimSpace(value))
	}
	return all, lines.Err()
}

func unquoted(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
