package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// server is a running program.
type server struct {
	ports []string
	cmd   *exec.Cmd
	input io.Closer
}

// patience is how long a server may take to come up: a busy machine needs 30 s.
const patience = 2 * time.Minute

// launch starts the program and waits until it has said its ports. Its log is
// shown when it does not.
func (j *java) launch(ctx context.Context, addresses []string) (*server, error) {
	log, err := os.CreateTemp("", "standin-*.log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(log.Name()) }()
	defer log.Close()
	args := append([]string{"-cp", strings.Join(j.classPath, string(filepath.ListSeparator))}, j.options...)
	args = append(append(args, j.class), addresses...)
	s := &server{cmd: exec.CommandContext(ctx, "java", args...)}
	s.cmd.Stderr = log
	if s.input, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	said := make(chan []string, 1)
	go func() {
		said <- ports(output, log)
		_, _ = io.Copy(io.Discard, output) // it goes on talking, and must not wait
	}()
	select {
	case s.ports = <-said:
	case <-time.After(patience):
	case <-ctx.Done():
	}
	if len(s.ports) == 0 {
		s.end()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%s did not start: %.2000s", j.class, text)
	}
	return s, nil
}

// ports reads up to the line with the ports; what comes before goes to the log.
func ports(output io.Reader, log io.Writer) []string {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == "port" {
			return words[1:]
		}
		fmt.Fprintln(log, lines.Text())
	}
	return nil
}

// end closes the program's input and waits for its end. It is safe on nil.
func (s *server) end() {
	if s == nil {
		return
	}
	_ = s.input.Close()
	kill := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	_ = s.cmd.Wait() // ended from here, so its status says nothing
}
