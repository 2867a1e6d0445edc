package main

import (
	"archive/zip"
	"cmp"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

const (
	maxZip = 12_000_000 // bytes
	goal   = 60 * time.Millisecond
	rounds = 21
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ready:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "ready-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	api, err := listen(ctx)
	if err != nil {
		return err
	}
	defer api.close()
	fmt.Printf("%-11s %10s %12s %14s   (limits %.0f MB, %s; %d starts on %s)\n", "function", "zip", "ready p50", "ready slowest", maxZip/1e6, goal, rounds, runtime.GOARCH)
	var tooLarge error
	for _, f := range wiring.Functions {
		size, err := build(ctx, f, filepath.Join(dir, f))
		if err != nil {
			return err
		}
		took, err := api.starts(ctx, filepath.Join(dir, f, "bootstrap"))
		if err != nil {
			return fmt.Errorf("functions/%s: %w", f, err)
		}
		fmt.Printf("%-11s %7.2f MB %12s %14s\n", f, float64(size)/1e6, round(took[len(took)/2]), round(took[len(took)-1]))
		if size > maxZip {
			tooLarge = cmp.Or(tooLarge, fmt.Errorf("functions/%s is %d bytes zipped; %d at most", f, size, maxZip))
		}
	}
	return tooLarge
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// build makes the package as `sam build` does, and returns its size zipped.
func build(ctx context.Context, function, into string) (int64, error) {
	if out, err := target(ctx, ".", function, into).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("make functions/%s: %w: %s", function, err, out)
	}
	return zipped(into)
}

// target is the call of make for a function of the repository in root, on this
// machine's architecture.
func target(ctx context.Context, root, function, into string, variables ...string) *exec.Cmd {
	arch := map[string]string{"amd64": "x86_64"}[runtime.GOARCH]
	args := append([]string{"-s", "-C", root, "build-" + strings.ToUpper(function[:1]) + function[1:] + "Function",
		"ARTIFACTS_DIR=" + into, "ARCH=" + cmp.Or(arch, runtime.GOARCH)}, variables...)
	return exec.CommandContext(ctx, "make", args...)
}

// zipped is the size of a folder's files in a zip file.
func zipped(dir string) (int64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var n count
	z := zip.NewWriter(&n)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.DefaultCompression) })
	for _, f := range files {
		w, err := z.Create(f.Name())
		if err != nil {
			return 0, err
		}
		src, err := os.Open(filepath.Join(dir, f.Name()))
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(w, src)
		_ = src.Close()
		if err != nil {
			return 0, err
		}
	}
	err = z.Close()
	return int64(n), err
}

// count counts what is written.
type count int64

func (c *count) Write(b []byte) (int, error) {
	*c += count(len(b))
	return len(b), nil
}

// starts are the times of several starts, sorted.
func (a *runtimeAPI) starts(ctx context.Context, bootstrap string) ([]time.Duration, error) {
	var took []time.Duration
	for range rounds {
		d, err := a.start(ctx, bootstrap)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	slices.Sort(took)
	return took, nil
}
