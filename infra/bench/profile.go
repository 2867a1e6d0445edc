package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
)

// profile records where the engine's process spends its time and waits.
type profile struct {
	dir, name string
	cpu       *os.File
}

// Sampling of waits: one per so many nanoseconds blocked, one of so many
// contended locks.
const (
	blockRate     = 100_000
	mutexFraction = 20
)

func startProfile(dir, name string) (*profile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p := &profile{dir: dir, name: name}
	var err error
	if p.cpu, err = os.Create(p.path("cpu")); err != nil {
		return nil, err
	}
	runtime.SetBlockProfileRate(blockRate)
	runtime.SetMutexProfileFraction(mutexFraction)
	return p, pprof.StartCPUProfile(p.cpu)
}

func (p *profile) path(kind string) string {
	return filepath.Join(p.dir, p.name+"."+kind+".pprof")
}

func (p *profile) end() error {
	pprof.StopCPUProfile()
	errs := []error{p.cpu.Close()}
	for _, kind := range []string{"block", "mutex", "allocs"} {
		f, err := os.Create(p.path(kind))
		if err == nil {
			err = errors.Join(pprof.Lookup(kind).WriteTo(f, 0), f.Close())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
