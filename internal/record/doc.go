// Package record is the single-table layout: which items exist, under which
// keys, and how they are encoded (the README's Records table lists them).
//
// META is billed whole on every update, so it stays within MaxMeta and holds
// state, not payloads. Everything an execution owns lives in the partition
// <tenant>#<execution>, so one query reads a run. Payloads are JSON, packed:
// as they are while short, compressed when that is smaller, and in chunks once
// the compressed form would not fit an item.
//
// Every item carries the format version FV; a reader refuses a newer one, so an
// old binary never misreads what a new one wrote. The package is pure: no I/O
// and no clock.
package record
