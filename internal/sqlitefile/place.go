package sqlitefile

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// lookEvery is how often the writer looks, at most, whether the next start would
// find what it commits. A look takes microseconds: one before every commit that
// follows a pause, and so few under load, are not to be measured.
const lookEvery = 10 * time.Millisecond

// place is what was found where the files are when they were opened. They stay
// open when somebody deletes or replaces them, and then SQLite writes on into
// files that no start will ever find.
type place struct {
	opened []openedFile
	onLost func(error)

	looked time.Time // the writer's, as is lost
	lost   error
}

type openedFile struct {
	path string
	info os.FileInfo
}

func (p *place) remember(paths ...string) error {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return plain("cannot be read", err)
		}
		p.opened = append(p.opened, openedFile{path, info})
	}
	return nil
}

// Reachable is nil while the data folder holds the files that are open, and an
// ErrLost where they were deleted, moved or replaced. They count again when
// they are back.
func (f *File) Reachable() error {
	for _, opened := range f.place.opened {
		now, err := os.Stat(opened.path)
		if err == nil && !os.SameFile(now, opened.info) {
			err = errors.New(opened.path + " is another file than the one that was opened")
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
	}
	return nil
}

// connect opens one more connection. SQLite opens by path and tidies up what lies
// beside a database, so one that is not ours is left alone.
func (f *File) connect() (*conn, error) {
	if err := f.Reachable(); err != nil {
		return nil, err
	}
	return connect(f.dsn())
}

// reachable is Reachable as the writer saw it at its last look.
func (f *File) reachable() error {
	p := &f.place
	now := f.now()
	if since := now.Sub(p.looked); since >= 0 && since < lookEvery {
		return p.lost
	}
	before := p.lost
	p.looked, p.lost = now, f.Reachable()
	if before == nil && p.lost != nil && p.onLost != nil {
		p.onLost(p.lost)
	}
	return p.lost
}
