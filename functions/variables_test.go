package functions_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/app/aws"
)

var variable = regexp.MustCompile(`"(STEPLINE_[A-Z_]*[A-Z])"`)

// variablesRead are the variables that the functions' code names.
func variablesRead(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*/main.go", "../internal/app/*.go", "../internal/app/aws/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range variable.FindAllSubmatch(src, -1) {
				names = append(names, string(m[1]))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// special are the variables that are not every function's. Where one is needed
// the function does not start without it, which starts looks at.
var special = []string{"STEPLINE_PUBLIC_URL", "STEPLINE_QUEUE_DEAD"}

// environment: each variable that the template sets is read, each that is read
// is set for every function, and the resources they name are there.
func (c *checker) environment() {
	set := map[string]int{} // variable → functions
	for _, f := range c.ofType(functionType) {
		for name, value := range c.environmentOf(f) {
			set[name]++
			for _, v := range list(value) {
				if !c.known(id(v)) {
					c.fault("%s: variable %s names %s, which is not declared", f, name, v)
				}
			}
		}
	}
	for name := range set {
		if !slices.Contains(c.variables, name) {
			c.fault("variable %s is left over, no code reads it", name)
		}
	}
	for _, name := range c.variables {
		if set[name] == 0 {
			c.fault("variable %s is read by the code and set by no function", name)
		}
		for _, f := range c.ofType(functionType) {
			if c.environmentOf(f)[name] == nil && !slices.Contains(special, name) {
				c.fault("%s: variable %s is not set, and the code reads it", f, name)
			}
		}
	}
}

// environmentOf are the variables of a function with those of all of them.
func (c *checker) environmentOf(f string) map[string]any {
	vars := maps.Clone(mapping(c.tree, "Globals", "Function", "Environment", "Variables"))
	if vars == nil {
		vars = map[string]any{}
	}
	maps.Copy(vars, mapping(c.props(f, "Environment", "Variables")))
	return vars
}

// starts: the function's own code takes what the template sets, with the
// parameters' defaults and with names such as AWS fills in.
func (c *checker) starts(f string) {
	env := map[string]string{"AWS_REGION": "eu-central-1"}
	for name, value := range c.environmentOf(f) {
		if values := list(value); len(values) > 0 {
			env[name] = referred.ReplaceAllStringFunc(values[len(values)-1], c.filled) // of an !If what stands without the parameter
		}
	}
	if _, err := aws.FromEnv(text(c.props(f, "Handler")), func(name string) string { return env[name] }); err != nil {
		c.fault("%s: would not start: %v", f, err)
	}
}

var referred = regexp.MustCompile(`\$\{[^}]+\}`)

// filled is what a reference becomes: a parameter's default, a key where a
// parameter must be given one, the name or the address of a resource.
func (c *checker) filled(reference string) string {
	name := id(reference)
	parameter := mapping(c.tree, "Parameters", name)
	switch {
	case parameter["Default"] != nil:
		return text(parameter, "Default")
	case parameter != nil:
		return strings.Repeat("0123456789abcdef", 4)
	case slices.Contains(c.ofType(queueType), name):
		return "https://sqs.eu-central-1.amazonaws.com/123456789012/" + name
	case strings.HasSuffix(reference, ".FunctionUrl}"):
		return "https://url.lambda-url.eu-central-1.on.aws/"
	}
	return strings.ReplaceAll("stepline-"+name, ":", "")
}

// known reports whether a reference's target exists; "" is no reference.
func (c *checker) known(id string) bool {
	if id == "" || strings.HasPrefix(id, "AWS::") {
		return true
	}
	for _, section := range []string{"Resources", "Parameters"} {
		if at(c.tree, section, id) != nil {
			return true
		}
	}
	return at(c.props(strings.TrimSuffix(id, "Url"), "FunctionUrlConfig")) != nil
}

// secrets: a function looks for secrets where its role lets it read them.
func (c *checker) secrets(f, role string) {
	prefix := text(c.environmentOf(f), "STEPLINE_SECRET_PREFIX")
	for _, s := range c.statements(role) {
		for _, r := range s.Resources {
			if _, granted, _ := strings.Cut(r, ":parameter"); strings.HasPrefix(s.Actions[0], "ssm:") && granted != prefix+"/*" {
				c.fault("%s: may read parameters %s, and STEPLINE_SECRET_PREFIX of %s is %s", role, granted, f, prefix)
			}
		}
	}
}

// TestEachFunctionNamesItself: by its name it knows what it needs.
func TestEachFunctionNamesItself(t *testing.T) {
	t.Parallel()
	for _, folder := range current(t).folders {
		src, err := os.ReadFile(filepath.Join(folder, "main.go"))
		if want := `aws.Start(context.Background(), "` + folder + `", `; err != nil || !strings.Contains(string(src), want) {
			t.Errorf("functions/%s/main.go does not contain %s (%v)", folder, want, err)
		}
	}
}
