package sqlitefile

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
)

// Name is the database's file name in the data folder.
const Name = "stepline.db"

// Options of Open. The zero value is ready for tests.
type Options struct {
	// Now is the clock of what the file does by itself; nil: time.Now.
	Now func() time.Time
	// Preallocate is how many bytes the write-ahead log is given at once when
	// the file is opened. A log that need not grow makes an fsync two to three
	// times faster. 0: it grows as it is written.
	Preallocate int64
	// MaxBytes bounds the database; beyond it writes are ErrFull. 0: the disk.
	MaxBytes int64
	// OnLost is called when the files turn out to be no longer in the folder,
	// and every write is refused from then on. It runs on the writer's goroutine
	// and must be short. nil: nobody is told.
	OnLost func(error)

	checkpointEvery int64 // 0: checkpointEvery
}

// File is an open data file. It is safe for concurrent use.
type File struct {
	dir, path   string
	now         func() time.Time
	incarnation string
	lock        *flock.Flock

	writer  *conn
	readers pool
	queue   backlog
	stopped chan struct{} // closed when the writer has ended

	hookMu     sync.Mutex
	onRollback []func()
	onCommit   []func()
	onClose    []func()

	place      place
	checkpoint checkpointer
	commits    atomic.Int64
	operations atomic.Int64
	closing    sync.Once
	closeErr   error
}

// Open opens the data folder, making it and its file where they do not exist.
// Every error is one line that names the folder, and leaves what is there as it
// was: locked by another process, not writable, not a database, damaged, or
// written by a newer version.
func Open(dir string, o Options) (*File, error) {
	f := &File{dir: dir, path: filepath.Join(dir, Name), now: o.Now, incarnation: newIncarnation(), stopped: make(chan struct{})}
	if f.now == nil {
		f.now = time.Now
	}
	if err := f.open(o); err != nil {
		_ = f.release() // the first error says it
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	f.queue.init()
	f.checkpoint.start(f, cmp.Or(o.checkpointEvery, checkpointEvery))
	go f.write()
	return f, nil
}

func (f *File) open(o Options) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return plain("cannot be created", err)
	}
	if err := f.takeLock(); err != nil {
		return err
	}
	fresh, err := inspect(f.path)
	if err != nil {
		return err
	}
	if fresh {
		if err := create(f.path); err != nil {
			return err
		}
	}
	if o.Preallocate > 0 {
		preallocate(f.path+"-wal", o.Preallocate)
	}
	if f.writer, err = connect(f.dsn()); err != nil {
		return plain("cannot be opened", err)
	}
	if err := f.writer.setUp(fresh, o.MaxBytes); err != nil {
		return err
	}
	f.readers.init(f.openReader)
	if err := f.keepPrivate(); err != nil {
		return err
	}
	f.place.onLost = o.OnLost
	return f.place.remember(f.path, f.path+"-wal")
}

// keepPrivate takes the files away from other users: they hold inputs, outputs
// and tokens. The folder is the person's; these are ours.
func (f *File) keepPrivate() error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(f.path + suffix)
		if err != nil || info.Mode().Perm()&0o077 == 0 {
			continue // SQLite makes those that are missing, with the database's mode
		}
		if err := os.Chmod(f.path+suffix, 0o600); err != nil {
			return plain(Name+suffix+" can be read by other users, and that cannot be changed", err)
		}
	}
	return nil
}

// dsn is the file as a URI, so that no character of the path is special.
func (f *File) dsn() string {
	path := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(f.path))
	return "file:" + path + "?mode=rw" // it is there: a new one is none of ours
}

func (f *File) takeLock() error {
	f.lock = flock.New(filepath.Join(f.dir, "stepline.lock"))
	switch ok, err := f.lock.TryLock(); {
	case err != nil:
		return plain("is not writable", err)
	case !ok:
		return errors.New("is in use by another process; stop it, or choose another folder")
	}
	return nil
}

// Incarnation names this opening of the file: eight random characters.
func (f *File) Incarnation() string { return f.incarnation }

// Dead reports whether owner, an incarnation optionally followed by a dot and
// more, belongs to an earlier opening of the file. Nobody else can hold the
// file, so such an owner is gone. "" is nobody and not dead.
func (f *File) Dead(owner string) bool {
	incarnation, _, _ := strings.Cut(owner, ".")
	return owner != "" && incarnation != f.incarnation
}

// Now is the file's clock.
func (f *File) Now() time.Time { return f.now() }

// Stats are counts since Open.
type Stats struct {
	Commits    int64 // each is one fsync of the log
	Operations int64 // operations in them
	Bytes      int64 // on disk now, database and log
}

// Stats reads the counters.
func (f *File) Stats() Stats {
	s := Stats{Commits: f.commits.Load(), Operations: f.operations.Load()}
	for _, path := range []string{f.path, f.path + "-wal"} {
		if info, err := os.Stat(path); err == nil {
			s.Bytes += info.Size()
		}
	}
	return s
}

// OnRollback registers what must happen after a lot was rolled back, before
// its writers hear of it: drop every cache of uncommitted state. It runs on the
// writer's goroutine.
func (f *File) OnRollback(fn func()) { f.hook(&f.onRollback, fn) }

// OnCommit registers what happens once after each lot, when all of it has been
// answered. It runs on the writer's goroutine and must be short.
func (f *File) OnCommit(fn func()) { f.hook(&f.onCommit, fn) }

// OnClose registers what must stop before the file closes: goroutines, timers.
// Writes are still taken while it runs.
func (f *File) OnClose(fn func()) { f.hook(&f.onClose, fn) }

func (f *File) hook(list *[]func(), fn func()) {
	f.hookMu.Lock()
	defer f.hookMu.Unlock()
	*list = append(*list, fn)
}

func (f *File) run(list *[]func()) {
	f.hookMu.Lock()
	hooks := *list
	f.hookMu.Unlock()
	for _, fn := range hooks {
		fn()
	}
}

// Close finishes the writes that wait, folds the log into the database and
// gives the folder free. Later writes and reads are ErrClosed. Closing again
// does nothing.
func (f *File) Close() error {
	f.closing.Do(func() {
		f.run(&f.onClose)
		f.checkpoint.stop()
		f.queue.close()
		<-f.stopped
		f.closeErr = f.release()
	})
	return f.closeErr
}

func (f *File) release() error {
	var errs []error
	errs = append(errs, f.readers.close())
	if f.writer != nil {
		errs = append(errs, f.writer.close()) // the last connection checkpoints
	}
	if f.lock != nil {
		errs = append(errs, f.lock.Unlock())
	}
	return errors.Join(errs...)
}
