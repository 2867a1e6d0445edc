// Command local is Stepline on one machine: `make run`.
//
// It reads template.yaml and mounts what the functions do on the embedded
// drivers, as package app/local says. Everything a person reads goes to
// stdout, the log goes to stderr, and what keeps the program from starting is
// one line there and exit status 1.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}
