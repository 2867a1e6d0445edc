package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		os.Exit(max(failed.ExitCode(), 1)) // it has said why
	case err != nil:
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("standin", flag.ContinueOnError)
	bind := f.String("bind", "127.0.0.1", "`addresses` to listen on, separated by commas")
	cache := f.String("cache", "", "`folder` of what is downloaded; default in the user's cache folder")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no cache folder: %w; name one with -cache", err)
		}
		*cache = filepath.Join(user, "stepline", "standin")
	}
	env, end, err := start(ctx, *cache, strings.Split(*bind, ","))
	if err != nil {
		return err
	}
	defer end()
	if f.NArg() == 0 {
		fmt.Println(strings.Join(env, "\n"))
		<-ctx.Done()
		return nil
	}
	cmd := exec.CommandContext(ctx, f.Arg(0), f.Args()[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	return cmd.Run()
}

// start installs and starts both servers, side by side, and returns what the
// command finds in its environment.
func start(ctx context.Context, cache string, addresses []string) (env []string, end func(), err error) {
	if err := tools("java", "javac", "npm", "mvn"); err != nil {
		return nil, nil, err
	}
	type started struct {
		server *server
		err    error
	}
	launch := func(install func(context.Context, string) (*java, error)) chan started {
		done := make(chan started, 1)
		go func() {
			j, err := install(ctx, cache)
			if err != nil {
				done <- started{nil, err}
				return
			}
			s, err := j.launch(ctx, addresses)
			done <- started{s, err}
		}()
		return done
	}
	tables, queues := launch(tableServer), launch(queueServer)
	t, q := <-tables, <-queues
	end = func() {
		t.server.end()
		q.server.end()
	}
	if err := errors.Join(t.err, q.err); err != nil {
		end()
		return nil, nil, err
	}
	address := func(port string) string { return "http://" + addresses[0] + ":" + port }
	return []string{
		"STEPLINE_TEST_DYNAMODB=" + address(t.server.ports[0]),
		"STEPLINE_TEST_SQS=" + address(q.server.ports[0]),
		"STEPLINE_TEST_CLOCKS=http://127.0.0.1:" + q.server.ports[1],
		// Any credentials do, and nobody is to look for real ones.
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local",
		"AWS_SESSION_TOKEN=", "AWS_EC2_METADATA_DISABLED=true",
	}, end, nil
}
