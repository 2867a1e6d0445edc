package local

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"
	"time"
)

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestConfigPrecedence(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"STEPLINE_ADDR": "127.0.0.1:4000", "STEPLINE_DATA": "/var/lib/stepline", "STEPLINE_PUBLIC_URL": "https://flows.example.com/"}
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want Config
	}{
		"defaults":  {nil, nil, Config{Addr: "127.0.0.1:3000", WebhookAddr: "127.0.0.1:3001", Data: ".stepline", Template: "template.yaml", Workers: 64, Drain: 10 * time.Second}},
		"variables": {nil, vars, Config{Addr: "127.0.0.1:4000", WebhookAddr: "127.0.0.1:3001", Data: "/var/lib/stepline", Template: "template.yaml", PublicURL: "https://flows.example.com", Workers: 64, Drain: 10 * time.Second}},
		"flags win": {[]string{"-addr", "[::1]:0", "-data", "d", "-no-demo", "-template", "t.yaml", "-webhook-addr", ":0"}, vars,
			Config{Addr: "[::1]:0", WebhookAddr: ":0", Data: "d", Template: "t.yaml", PublicURL: "https://flows.example.com", NoDemo: true, Workers: 64, Drain: 10 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := FromFlags(c.args, env(c.env), &bytes.Buffer{})
			if err != nil || got != c.want {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{[]string{"-addr", "0.0.0.0:3000"}, nil, "-addr 0.0.0.0:3000 can be reached from other machines"},
		{[]string{"-addr", ":3000"}, nil, "can be reached from other machines"},
		{[]string{"-addr", "192.0.2.1:3000"}, nil, "say -insecure"},
		{[]string{"-addr", "3000"}, nil, `-addr "3000" is no address`},
		{[]string{"-webhook-addr", "x"}, nil, `-webhook-addr "x" is no address`},
		{[]string{"-adr", "x"}, nil, "-adr"},
		{[]string{"run"}, nil, `unexpected argument "run"`},
		{nil, map[string]string{"STEPLINE_PUBLIC_URL": "flows.example.com"}, "STEPLINE_PUBLIC_URL"},
		{nil, map[string]string{"STEPLINE_PUBLIC_URL": "https://h/?a=b"}, "STEPLINE_PUBLIC_URL"},
		{nil, map[string]string{"STEPLINE_LOG_LEVEL": "loud"}, "STEPLINE_LOG_LEVEL"},
	} {
		_, err := FromFlags(c.args, env(c.env), &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v %v: got %v, want one line with %q", c.args, c.env, err, c.want)
		}
	}
	if _, err := FromFlags([]string{"-addr", "0.0.0.0:3000", "-insecure"}, env(nil), &bytes.Buffer{}); err != nil {
		t.Errorf("-insecure: %v", err)
	}
}

func TestConfigHelp(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	_, err := FromFlags([]string{"-help"}, env(nil), &out)
	if !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "STEPLINE_WEBHOOK_ADDR") {
		t.Errorf("got %v and %q", err, out.String())
	}
}
