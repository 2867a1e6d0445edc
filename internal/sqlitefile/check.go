package sqlitefile

import (
	"bytes"
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	applicationID = 0x534c494e // "SLIN", in the header of every file of ours
	// Format is the version of the file's tables. A file with a newer one is
	// refused.
	Format = 1
	// pageSize in bytes: with rowid tables and items of about 1 KB, 8 KB pages
	// took the least processor time per write of 4, 8 and 16 KB.
	pageSize = 8192
	// pageCache is the writer's, in KiB. It is small on purpose: when a page is
	// split out of order, SQLite's next commit walks all of its cache, which
	// with 64 MB took longer than everything else. Misses are read from the
	// system's cache.
	pageCache = 16 << 10
	// checkBelow bounds the files that are checked whole when opened, in
	// bytes: larger ones would delay every start.
	checkBelow = 64 << 20
)

var header = []byte("SQLite format 3\x00")

// inspect looks at the file without SQLite, which might change it. fresh is
// true when there is no database yet.
func inspect(path string) (fresh bool, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, plain(Name+" is not writable", err)
	}
	defer file.Close()
	head := make([]byte, 100)
	n, err := io.ReadFull(file, head)
	switch {
	case errors.Is(err, io.EOF):
		return true, nil // created, and nothing written yet
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return false, plain(Name+" cannot be read", err)
	case n < len(head) || !bytes.HasPrefix(head, header):
		return false, errors.New(Name + " is not a database; move it away, or choose another folder")
	}
	version, app := binary.BigEndian.Uint32(head[60:]), binary.BigEndian.Uint32(head[68:])
	switch {
	case app == 0 && version == 0:
		return false, nil // ours if it is empty, which setUp sees
	case app != applicationID:
		return false, errors.New(Name + " belongs to another program; move it away, or choose another folder")
	case version > Format:
		return false, newer(int64(version))
	}
	return false, nil
}

// create makes the file, which SQLite would make readable for everybody. The
// files beside it get its mode.
func create(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return plain("is not writable", err)
	}
	return file.Close()
}

// setUp configures the writer's connection and marks a new file as ours.
func (c *conn) setUp(fresh bool, maxBytes int64) error {
	if fresh {
		if err := c.once(fmt.Sprintf("PRAGMA page_size = %d", pageSize)); err != nil {
			return plain("cannot be written", err)
		}
	} else if err := c.verify(); err != nil {
		return err
	}
	for _, pragma := range []string{
		"journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0",
		"busy_timeout = 5000", fmt.Sprint("cache_size = -", pageCache), "temp_store = MEMORY",
	} {
		if err := c.once("PRAGMA " + pragma); err != nil {
			return plain("cannot be written", err)
		}
	}
	if err := c.claim(); err != nil {
		return err
	}
	if maxBytes > 0 {
		if err := c.once(fmt.Sprintf("PRAGMA max_page_count = %d", max(1, maxBytes/pageSize))); err != nil {
			return plain("cannot be bounded", err)
		}
	}
	return nil
}

// verify refuses a damaged file. The header was read already; this goes
// through the log as well, whose newer pages SQLite prefers.
func (c *conn) verify() error {
	pages, err := c.number("PRAGMA page_count")
	if err != nil {
		return unreadable(err)
	}
	size, err := c.number("PRAGMA page_size")
	if err != nil {
		return unreadable(err)
	}
	scope := "PRAGMA quick_check(1)"
	if pages*size > checkBelow {
		scope = "PRAGMA quick_check(sqlite_schema)"
	}
	verdict := ""
	err = c.query(&Stmt{scope}, func(row []driver.Value) bool {
		verdict, _ = row[0].(string)
		return false
	})
	switch {
	case err != nil:
		return unreadable(err)
	case verdict != "ok":
		return fmt.Errorf("%s is damaged (%.200s); restore it from a backup", Name, strings.ReplaceAll(verdict, "\n", " "))
	}
	return nil
}

// claim marks a new file as ours, and refuses one that is not.
func (c *conn) claim() error {
	app, err := c.number("PRAGMA application_id")
	if err != nil {
		return unreadable(err)
	}
	version, err := c.number("PRAGMA user_version")
	if err != nil {
		return unreadable(err)
	}
	tables, err := c.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return unreadable(err)
	}
	switch {
	case app == applicationID && version > Format:
		return newer(version)
	case app == applicationID:
		return nil
	case app != 0 || tables > 0:
		return errors.New(Name + " belongs to another program; move it away, or choose another folder")
	}
	mark := fmt.Sprintf("BEGIN; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", applicationID, Format)
	if err := c.once(mark); err != nil {
		return plain("cannot be written", err)
	}
	return nil
}

func newer(version int64) error {
	return fmt.Errorf("%s has format %d, this version reads up to %d; use a newer version", Name, version, Format)
}

// preallocate extends the log with zeroes, which SQLite takes for the end of
// what was written. It only makes commits faster: where it fails, on a full
// disk say, the log grows as it is written.
func preallocate(path string, size int64) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return
	}
	zeroes := make([]byte, 1<<20)
	for at := info.Size(); at < size && err == nil; at += int64(len(zeroes)) {
		_, err = file.WriteAt(zeroes[:min(int64(len(zeroes)), size-at)], at)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		_ = os.Truncate(path, info.Size()) // the space is better left to the data
	}
}

// unreadable says why a file could not be read. Not every reason is damage:
// SQLite reads with a log beside the file, which it must be able to write.
func unreadable(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE {
		return plain("has no space left", err) // for the index of the log
	}
	switch code(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return plain(Name+" is damaged", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return plain("is not writable", err)
	case sqlite3.SQLITE_FULL:
		return plain("has no space left", err)
	}
	return plain(Name+" cannot be read", err)
}

// plain is an error on one line: what is wrong, and the cause.
func plain(what string, cause error) error {
	return fmt.Errorf("%s (%w)", what, cause)
}

const incarnationAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

func newIncarnation() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = incarnationAlphabet[b[i]%byte(len(incarnationAlphabet))]
	}
	return string(b)
}
