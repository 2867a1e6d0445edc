package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if told := os.Getenv(asChild); told != "" {
		signal.Ignore(os.Interrupt) // the terminal's Ctrl-C reaches all; the parent ends us
		if err := serve(told, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %v\n", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if ctx.Err() != nil {
		err = errors.New("interrupted") // whatever came of it
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	plan     plan
	dir      string
	template string
	json     string
	profile  string
	only     []string
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	short := f.Bool("quick", false, "short spans: does it run, and how fast about")
	only := f.String("only", "", "comma-separated `names` of workloads, such as five,fan-dense; default all")
	f.StringVar(&o.dir, "dir", "", "`folder` on the disk to measure; default the system's temporary one")
	f.StringVar(&o.template, "template", "template.yaml", "the wiring, a SAM template `file`")
	f.StringVar(&o.json, "json", "", "write the figures to this `file` too")
	f.StringVar(&o.profile, "profile", "", "write CPU, block and mutex profiles of the engine to this `folder`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; see -help", f.Arg(0))
	}
	o.plan = full
	if *short {
		o.plan = quick
	}
	var names []string
	for _, w := range workloads() {
		names = append(names, w.title())
	}
	names = append(names, webhook)
	if *only == "" {
		o.only = names
		return o, nil
	}
	o.only = strings.Split(*only, ",")
	for _, name := range o.only {
		if !slices.Contains(names, name) {
			return o, fmt.Errorf("-only: no workload %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	return o, nil
}

// check finds out now what would otherwise be lost after minutes of measuring.
func (o options) check() error {
	if info, err := os.Stat(cmp.Or(o.dir, os.TempDir())); err != nil || !info.IsDir() {
		return fmt.Errorf("-dir %s is no folder", o.dir)
	}
	if o.json == "" {
		return nil
	}
	f, err := os.OpenFile(o.json, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	return f.Close()
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	r, err := measure(ctx, o, stderr)
	if err != nil {
		return err
	}
	r.print(stdout)
	if o.json != "" {
		return r.write(o.json)
	}
	return nil
}

// measure runs everything in a folder of its own, which it removes.
func measure(ctx context.Context, o options, progress io.Writer) (r report, err error) {
	b := bench{plan: o.plan, profile: o.profile, progress: progress}
	if b.template, err = filepath.Abs(o.template); err != nil {
		return r, err
	}
	if b.dir, err = os.MkdirTemp(o.dir, "stepline-bench-"); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	r = newReport(o.plan, time.Now())
	if r.Disk, err = measureDisk(b.dir, o.plan.Raw); err != nil {
		return r, err
	}
	service, err := spawn(ctx, role{Kind: "echo"})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, service.end()) }()
	b.service = service.Address
	for i, w := range workloads() {
		if !slices.Contains(o.only, w.title()) {
			continue
		}
		done, err := b.one(ctx, i)
		if err != nil {
			return r, fmt.Errorf("%s: %w", w.title(), err)
		}
		r.Results = append(r.Results, done)
	}
	if slices.Contains(o.only, webhook) {
		if r.Acks, err = b.acknowledgements(ctx); err != nil {
			return r, fmt.Errorf("%s: %w", webhook, err)
		}
	}
	if r.Costs, err = costs(r.Results, b.template); err != nil {
		return r, err
	}
	r.Peers, err = peers(r.Results, b.template)
	return r, err
}
