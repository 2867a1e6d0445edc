// Command routes writes, as JSON, where a template puts the calls of the HTTP
// API:
//
//	go run ./infra/routes template.yaml >routes.json
//
// `sam build` lays the file beside each function's binary, which reads it when
// it starts: so a function serves what API Gateway sends it, as the one-machine
// program does that reads the template itself. A template that a function would
// refuse is refused here, and nothing is written.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "routes:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("one argument is expected: the template")
	}
	w, err := wiring.Read(args[0])
	if err != nil {
		return err
	}
	mounts := make([]api.Mount, len(w.Routes))
	for i, r := range w.Routes {
		mounts[i] = api.Mount(r)
	}
	if _, err := api.Mounted(mounts); err != nil {
		return err
	}
	b, err := json.MarshalIndent(mounts, "", " ")
	if err != nil {
		return err
	}
	_, err = out.Write(append(b, '\n'))
	return err
}
