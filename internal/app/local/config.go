package local

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/telemetry"
)

// Config is the one-machine program's configuration. The zero value with
// WithDefaults is what `make run` uses.
type Config struct {
	// Addr is where the HTTP API listens; 127.0.0.1:3000. Port 0 takes a free
	// one.
	Addr string
	// WebhookAddr is where webhooks and callbacks arrive; 127.0.0.1:3001.
	WebhookAddr string
	// Data is the data folder; .stepline. It is made where it does not exist.
	Data string
	// Template is the wiring's path; template.yaml.
	Template string
	// PublicURL is the base of callback addresses, for a program behind a
	// proxy; empty is the webhook listener's own address.
	PublicURL string
	// NoDemo: no sample service, no sample workflows, no sample execution.
	NoDemo bool
	// Insecure allows an Addr that other machines reach. There are no API keys
	// yet, so whoever reaches it may do everything.
	Insecure bool
	// LogLevel is the least level that is logged; info.
	LogLevel slog.Level
	// Workers is how many executions are worked on at once; 64.
	Workers int
	// Drain is how long executions may finish when the program ends; 10 s.
	Drain time.Duration
}

// WithDefaults fills the zero fields in.
func (c Config) WithDefaults() Config {
	for _, f := range []struct {
		at  *string
		def string
	}{
		{&c.Addr, "127.0.0.1:3000"}, {&c.WebhookAddr, "127.0.0.1:3001"},
		{&c.Data, ".stepline"}, {&c.Template, "template.yaml"},
	} {
		if *f.at == "" {
			*f.at = f.def
		}
	}
	if c.Workers == 0 {
		c.Workers = 64
	}
	if c.Drain == 0 {
		c.Drain = 10 * time.Second
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	return c
}

// FromFlags reads the configuration: a flag wins over its variable, a variable
// over the default. Help is written to out, and answered with flag.ErrHelp.
func FromFlags(args []string, getenv func(string) string, out io.Writer) (Config, error) {
	d := Config{}.WithDefaults()
	env := func(name, def string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return def
	}
	var c Config
	f := flag.NewFlagSet("stepline", flag.ContinueOnError)
	f.SetOutput(io.Discard) // errors are one line, and the caller's to print
	f.StringVar(&c.Addr, "addr", env("STEPLINE_ADDR", d.Addr), "listen `address` of the HTTP API (STEPLINE_ADDR); port 0 takes a free one")
	f.StringVar(&c.WebhookAddr, "webhook-addr", env("STEPLINE_WEBHOOK_ADDR", d.WebhookAddr), "listen `address` of webhooks and callbacks (STEPLINE_WEBHOOK_ADDR)")
	f.StringVar(&c.Data, "data", env("STEPLINE_DATA", d.Data), "data `folder` (STEPLINE_DATA)")
	f.StringVar(&c.Template, "template", d.Template, "the wiring, a SAM template `file`")
	f.StringVar(&c.PublicURL, "public-url", env("STEPLINE_PUBLIC_URL", ""), "base `URL` of callback addresses (STEPLINE_PUBLIC_URL); default the webhook listener's")
	f.BoolVar(&c.NoDemo, "no-demo", false, "register and run nothing by itself")
	f.BoolVar(&c.Insecure, "insecure", false, "allow an -addr that other machines can reach: there are no API keys yet")
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(out)
		fmt.Fprintln(out, "Stepline on one machine. Usage: stepline [flags]")
		f.PrintDefaults()
		return c, err
	}
	if err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q; see -help", f.Arg(0))
	}
	if c.LogLevel, err = telemetry.ParseLevel(getenv("STEPLINE_LOG_LEVEL")); err != nil {
		return c, fmt.Errorf("STEPLINE_LOG_LEVEL: %w", err)
	}
	c = c.WithDefaults()
	return c, c.Validate()
}

// Validate refuses what cannot work or would be open to others by accident. An
// error is one line that names the flag.
func (c Config) Validate() error {
	for _, a := range []struct{ flag, addr string }{{"-addr", c.Addr}, {"-webhook-addr", c.WebhookAddr}} {
		if _, _, err := net.SplitHostPort(a.addr); err != nil {
			return fmt.Errorf("%s %q is no address; host:port such as 127.0.0.1:3000 is expected", a.flag, a.addr)
		}
	}
	if host, _, _ := net.SplitHostPort(c.Addr); !c.Insecure && !loopback(host) {
		return fmt.Errorf("-addr %s can be reached from other machines, and there are no API keys yet: "+
			"whoever reaches it may do everything; use 127.0.0.1, or say -insecure", c.Addr)
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return fmt.Errorf("STEPLINE_PUBLIC_URL is %q; a base such as https://flows.example.com is expected", c.PublicURL)
		}
	}
	return nil
}

// loopback reports whether only this machine reaches an address of this host.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
