package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// asChild makes this program one of the processes that are measured.
const asChild = "STEPLINE_BENCH_CHILD"

// role is what a child is told at its start.
type role struct {
	Kind     string // echo, engine or bare
	Dir      string // its folder
	Template string
	Service  string // address of the called service
	Workload int    // index in workloads
	Profile  string // folder; "": no profile
}

// order is one line to a child, answered by one reply. The end of its input
// ends the child.
type order struct {
	Do      string // usage, commits, calls
	Count   int    // do it so often with one client
	Clients int    // or with so many clients for Span
	Span    time.Duration
}

type reply struct {
	Address string `json:",omitempty"`
	Error   string `json:",omitempty"`
	Usage   usage
	Span    span
}

// usage is what a process has used since its start.
type usage struct {
	CPU    time.Duration
	Syncs  int64 // commits, each with one fsync
	Writes int64 // what they held
}

// add adds what was used from one moment to another.
func (u *usage) add(to, from usage) {
	u.CPU += to.CPU - from.CPU
	u.Syncs += to.Syncs - from.Syncs
	u.Writes += to.Writes - from.Writes
}

func cpu() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// child is a process of this program in another role.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	Address string
}

// spawn starts a child and waits until it is ready.
func spawn(ctx context.Context, r role) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	told, _ := json.Marshal(r) // strings cannot fail
	c := &child{cmd: exec.CommandContext(ctx, self)}
	c.cmd.Env = append(os.Environ(), asChild+"="+string(told))
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = json.NewDecoder(bufio.NewReader(out))
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	ready, err := c.hear()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", r.Kind, err), c.end())
	}
	c.Address = ready.Address
	return c, nil
}

func (c *child) ask(o order) (reply, error) {
	if err := json.NewEncoder(c.in).Encode(o); err != nil {
		return reply{}, err
	}
	return c.hear()
}

func (c *child) hear() (reply, error) {
	var r reply
	err := c.out.Decode(&r)
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("the process ended")
	case err == nil && r.Error != "":
		err = errors.New(r.Error)
	}
	return r, err
}

// end lets the child finish what it has in hand, and waits for that.
func (c *child) end() error {
	_ = c.in.Close() // it ends by it, or has ended
	return c.cmd.Wait()
}

// player is a child's own side: it obeys orders, and closes at the end.
type player interface {
	obey(ctx context.Context, o order) (reply, error)
	close() error
}

// serve is a child's life.
func serve(told string, in io.Reader, out io.Writer) error {
	var r role
	if err := json.Unmarshal([]byte(told), &r); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	say := json.NewEncoder(out)
	p, address, err := begin(ctx, r)
	if err != nil {
		return say.Encode(reply{Error: err.Error()})
	}
	if err := say.Encode(reply{Address: address}); err != nil {
		return errors.Join(err, p.close())
	}
	for lines := json.NewDecoder(in); ; {
		var o order
		if lines.Decode(&o) != nil {
			return p.close()
		}
		answer, err := p.obey(ctx, o)
		if err != nil {
			answer.Error = err.Error()
		}
		if err := say.Encode(answer); err != nil {
			return errors.Join(err, p.close())
		}
	}
}

func begin(ctx context.Context, r role) (player, string, error) {
	switch r.Kind {
	case "echo":
		return beginEcho(ctx)
	case "engine":
		return beginEngine(ctx, r)
	case "bare":
		p, err := beginBare(r)
		return p, "", err
	}
	return nil, "", fmt.Errorf("no role %q", r.Kind)
}
