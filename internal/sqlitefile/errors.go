package sqlitefile

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors of writes and reads, to be matched with errors.Is.
var (
	// ErrBusy: nothing was written; it may be tried again.
	ErrBusy = errors.New("data file: nothing was written")
	// ErrFull: no space left, nothing was written. It wraps ErrBusy.
	ErrFull = fmt.Errorf("%w: no space left", ErrBusy)
	// ErrClosed: the file is closed, nothing was written. It wraps ErrBusy.
	ErrClosed = fmt.Errorf("%w: closed", ErrBusy)
	// ErrLost: the files that are open are no longer in the data folder, where
	// the next start would look for them; nothing was written. It wraps ErrBusy.
	ErrLost = fmt.Errorf("%w: the data folder was deleted, moved or replaced", ErrBusy)
	// ErrUnknown: the commit failed and may nevertheless be found applied.
	ErrUnknown = errors.New("data file: the commit failed, it may have been applied")
)

// code is SQLite's primary result code, 0 for other errors.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// notWritten classifies an error before COMMIT: the transaction is rolled back.
func notWritten(err error) error {
	if code(err) == sqlite3.SQLITE_FULL {
		return ErrFull
	}
	return fmt.Errorf("%w: %w", ErrBusy, err)
}

// notCommitted classifies an error of COMMIT. A full disk and a lock leave no
// commit record behind. After any other error, a failed fsync say, the record
// may be in the log and be found there after a crash.
func notCommitted(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY:
		return notWritten(err)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}
