package secret

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// How long answers are remembered: a rotated secret counts everywhere after
// KeepFor, one that was forgotten after RetryAfter. A store that does not answer
// is asked again after PauseFor; a value that was read serves until then, and for
// StaleFor in all.
const (
	KeepFor    = time.Minute
	RetryAfter = 5 * time.Second
	PauseFor   = 2 * time.Second // three tries a second apart are still two questions
	StaleFor   = 10 * time.Minute
)

// Store holds secrets.
type Store interface {
	// Lookup is the value of a secret; found is false where there is none. An
	// error holds no value.
	Lookup(ctx context.Context, name string) (value string, found bool, err error)
	// Place says where the secret would have to be put, for people.
	Place(name string) string
}

// MissingError says that a secret does not exist.
type MissingError struct{ Name, Place string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("there is no secret %q; put it into %s", e.Name, e.Place)
}

// UnavailableError says that the store of secrets did not answer; trying again
// may help. The cause stands in the log already.
type UnavailableError struct {
	Name  string
	Cause error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("the secret %q cannot be read at the moment", e.Name)
}

func (e *UnavailableError) Unwrap() error { return e.Cause }

// Resolver finds secrets and remembers them for a short time, and for longer
// while the store is in trouble. It is safe for concurrent use.
type Resolver struct {
	store   Store
	now     func() time.Time
	log     *slog.Logger
	flights singleflight.Group

	mu   sync.Mutex
	kept map[string]entry
}

// entry is what is known of a secret until it is asked for again: its value,
// that there is none, or that the store did not answer and no value serves.
type entry struct {
	value string
	found bool
	read  time.Time // when the store gave the value
	err   error
	until time.Time
}

// NewResolver makes a Resolver. What keeps the store from answering is logged
// here, once for all who asked: who uses a secret only says that it cannot be
// read.
func NewResolver(store Store, now func() time.Time, log *slog.Logger) (*Resolver, error) {
	if store == nil || now == nil || log == nil {
		return nil, errors.New("secret: a store, a clock and a log are needed")
	}
	return &Resolver{store: store, now: now, log: log, kept: map[string]entry{}}, nil
}

// Resolve is the secret's value, without a line end behind it. Errors are
// *MissingError, *UnavailableError, or the context's.
func (r *Resolver) Resolve(ctx context.Context, name string) (string, error) {
	e, fresh := r.look(name)
	if !fresh {
		done := r.flights.DoChan(name, func() (any, error) { return r.load(context.WithoutCancel(ctx), name), nil })
		select {
		case res := <-done:
			e = res.Val.(entry)
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	switch {
	case e.err != nil:
		return "", &UnavailableError{Name: name, Cause: e.err}
	case !e.found:
		return "", &MissingError{Name: name, Place: r.store.Place(name)}
	}
	return e.value, nil
}

func (r *Resolver) look(name string) (entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, known := r.kept[name]
	return e, known && r.now().Before(e.until)
}

// patience bounds one question to the store: nobody's context does, since
// several callers may wait for the answer.
const patience = 5 * time.Second

func (r *Resolver) load(ctx context.Context, name string) entry {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	value, found, err := r.store.Lookup(ctx, name)
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	e := entry{value: strings.TrimRight(value, "\r\n"), found: found, read: now, until: now.Add(KeepFor)}
	switch {
	case err != nil:
		e = r.instead(ctx, name, now, err)
	case !found || e.value == "":
		e.found, e.until = false, now.Add(RetryAfter)
	}
	r.kept[name] = e
	return e
}

// instead is what counts while the store does not answer: the value that it last
// gave, unless that is too old or none. The caller holds mu.
func (r *Resolver) instead(ctx context.Context, name string, now time.Time, err error) entry {
	e, until := r.kept[name], now.Add(PauseFor)
	log := r.log.With(slog.String("name", name), slog.Any("error", err))
	if !e.found || until.After(e.read.Add(StaleFor)) {
		log.ErrorContext(ctx, "a secret cannot be read")
		return entry{err: err, until: until}
	}
	log.WarnContext(ctx, "a secret cannot be read; the value read before serves", slog.Time("read", e.read))
	e.until = until
	return e
}
