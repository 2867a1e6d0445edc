package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// disk is what the disk does without us.
type disk struct {
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50Ms"`
	P99       float64 `json:"p99Ms"`
}

// measureDisk writes one page after the other into a file that has its size
// already, as the write-ahead log does, each with an fsync.
func measureDisk(dir string, d time.Duration) (_ disk, err error) {
	const page = 8 << 10
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		return disk{}, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, logSpace)); err != nil {
		return disk{}, err
	}
	if err := f.Sync(); err != nil {
		return disk{}, err
	}
	var each []time.Duration
	began := time.Now()
	for at := int64(0); time.Since(began) < d; at = (at + page) % logSpace {
		one := time.Now()
		if _, err := f.WriteAt(make([]byte, page), at); err != nil {
			return disk{}, err
		}
		if err := f.Sync(); err != nil {
			return disk{}, err
		}
		each = append(each, time.Since(one))
	}
	rate := float64(len(each)) / time.Since(began).Seconds()
	slices.Sort(each)
	return disk{rate, ms(quantile(each, 0.5)), ms(quantile(each, 0.99))}, nil
}
