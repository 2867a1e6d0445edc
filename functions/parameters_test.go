package functions_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// parameters: CloudFormation refuses what no function would start with, before
// anything is deployed, and says what would be right.
func (c *checker) parameters() {
	for name := range mapping(c.tree, "Parameters") {
		p := mapping(c.tree, "Parameters", name)
		if text(p, "Type") != "String" || p["AllowedValues"] != nil {
			continue
		}
		if text(p, "AllowedPattern") == "" || text(p, "ConstraintDescription") == "" && text(p, "Description") == "" {
			c.fault("parameter %s: has no AllowedPattern, or nothing that says what is expected", name)
			continue
		}
		if value, ok := p["Default"].(string); ok && !c.allows(name, value) {
			c.fault("parameter %s: its Default %q does not match its AllowedPattern", name, value)
		}
	}
}

// allows reports whether CloudFormation takes a value of a parameter: its pattern
// must match the whole of it.
func (t tree) allows(parameter, value string) bool {
	return regexp.MustCompile("^(?:" + text(t, "Parameters", parameter, "AllowedPattern") + ")$").MatchString(value)
}

// TestParametersTake holds the patterns against what the code takes: whatever it
// would refuse is refused before.
func TestParametersTake(t *testing.T) {
	t.Parallel()
	tr, err := parseTemplate(current(t).template)
	if err != nil {
		t.Fatal(err)
	}
	key, other := strings.Repeat("0123456789abcdef", 4), strings.Repeat("fedcba9876543210", 4)
	type values struct{ good, bad []string }
	duration := values{[]string{"65s", "1m30s", "500ms", "1h"}, []string{"", "65", "0s", "-1s", "soon", " 5s", "5 s", "1d"}}
	cases := map[string]values{
		"CallbackKeys":  {[]string{key, key + "," + other}, []string{"", key + ", " + other, key + ",", key[1:], key + "," + other + "," + key, "new,old", " " + key, key + "\n"}},
		"PublicUrl":     {[]string{"", "https://flows.example.com", "http://127.0.0.1:3001/hooks/", "https://[2001:db8::1]"}, []string{"flows.example.com", "ftp://example.com", "https://", "https://a@example.com", "https://example.com?a=b", "https://example.com/#a", "https://example.com/a b"}},
		"StateMachines": {[]string{"stepline-*", "*"}, []string{"", "a/b", "orders:1", "${Stage}"}},
	}
	for name := range mapping(tr, "Parameters") {
		if _, known := cases[name]; !known && slices.Contains(durations(tr), name) {
			cases[name] = duration
		}
	}
	if len(cases) != 3+8 {
		t.Errorf("looked at %v", slices.Sorted(maps.Keys(cases)))
	}
	for name, v := range cases {
		for _, value := range v.good {
			if !tr.allows(name, value) {
				t.Errorf("%s refuses %q", name, value)
			}
		}
		for _, value := range v.bad {
			if tr.allows(name, value) {
				t.Errorf("%s takes %q", name, value)
			}
		}
	}
}

// durations are the parameters whose default is one.
func durations(t tree) (names []string) {
	for name := range mapping(t, "Parameters") {
		if regexp.MustCompile(`^[0-9]+[smh]$`).MatchString(text(t, "Parameters", name, "Default")) {
			names = append(names, name)
		}
	}
	return names
}
