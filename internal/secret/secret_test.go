package secret

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

// fake is a store whose answers a test changes.
type fake struct {
	mu    sync.Mutex
	all   map[string]string
	err   error
	asked atomic.Int64
	hold  chan struct{} // nil: answers at once
}

func (f *fake) Lookup(context.Context, string) (string, bool, error) {
	f.asked.Add(1)
	if f.hold != nil {
		<-f.hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.all["crm"]
	return v, ok, f.err
}

func (f *fake) Place(name string) string { return "the drawer of " + name }

func (f *fake) put(v string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = map[string]string{"crm": v}
}

func (f *fake) trouble(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func TestValuesAreRememberedForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.put("one\n")
		r, err := NewResolver(f, time.Now, quiet)
		if err != nil {
			t.Fatal(err)
		}
		want := func(value string, asked int64) {
			t.Helper()
			got, err := r.Resolve(t.Context(), "crm")
			if err != nil || got != value || f.asked.Load() != asked {
				t.Errorf("got %q, %v after %d questions, want %q after %d", got, err, f.asked.Load(), value, asked)
			}
		}
		want("one", 1)
		f.put("two")
		time.Sleep(KeepFor - 1) // of the bubble, as everywhere here
		want("one", 1)
		time.Sleep(time.Nanosecond) // now it is too old
		want("two", 2)
	})
}

func TestWhatIsMissingIsAskedForAgainSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		r, _ := NewResolver(f, time.Now, quiet)
		_, err := r.Resolve(t.Context(), "crm")
		var missing *MissingError
		if !errors.As(err, &missing) || err.Error() != `there is no secret "crm"; put it into the drawer of crm` {
			t.Errorf("got %v", err)
		}
		f.put("here")
		if _, err := r.Resolve(t.Context(), "crm"); !errors.As(err, &missing) || f.asked.Load() != 1 {
			t.Errorf("got %v after %d questions", err, f.asked.Load())
		}
		time.Sleep(RetryAfter) // of the bubble: an absence is believed for so long
		if got, err := r.Resolve(t.Context(), "crm"); got != "here" {
			t.Errorf("got %q, %v", got, err)
		}
		f.put("")
		time.Sleep(KeepFor) // a value is believed for so long
		if _, err := r.Resolve(t.Context(), "crm"); !errors.As(err, &missing) {
			t.Errorf("an empty secret is none, got %v", err)
		}
	})
}

func TestAStoreInTroubleIsLeftAloneForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{err: errors.New("throttled")}
		var log bytes.Buffer
		r, _ := NewResolver(f, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
		for range 5 {
			_, err := r.Resolve(t.Context(), "crm")
			var trouble *UnavailableError
			if !errors.As(err, &trouble) || !errors.Is(err, f.err) || strings.Contains(err.Error(), "throttled") {
				t.Errorf("got %v", err)
			}
		}
		if f.asked.Load() != 1 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "name=crm error=throttled") {
			t.Errorf("want one question, and one line with the cause; asked %d times, logged %q", f.asked.Load(), log.String())
		}
		f.trouble(nil)
		f.put("v")
		time.Sleep(PauseFor) // of the bubble, as everywhere here
		if got, err := r.Resolve(t.Context(), "crm"); got != "v" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestTheLastValueServesWhileTheStoreIsInTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.put("one")
		var log bytes.Buffer
		r, _ := NewResolver(f, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
		want := func(value string, asked int64) {
			t.Helper()
			got, err := r.Resolve(t.Context(), "crm")
			var trouble *UnavailableError
			if got != value || errors.As(err, &trouble) != (value == "") || f.asked.Load() != asked {
				t.Errorf("got %q, %v after %d questions, want %q after %d", got, err, f.asked.Load(), value, asked)
			}
		}
		want("one", 1)
		f.trouble(errors.New("throttled"))
		f.put("two")
		time.Sleep(KeepFor) // from here on it would be read anew
		for range 5 {
			want("one", 2)
		}
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "name=crm error=throttled") || strings.Contains(log.String(), "one") {
			t.Errorf("want one line with the cause and no value, logged %q", log.String())
		}
		time.Sleep(PauseFor) // then the store is asked again
		want("one", 3)
		time.Sleep(StaleFor - KeepFor - 2*PauseFor) // it may serve for one pause more
		want("one", 4)
		time.Sleep(PauseFor) // now it is too old
		want("", 5)
		f.trouble(nil)
		time.Sleep(PauseFor) // the store answers again
		want("two", 6)
	})
}

// What the store has taken away is not given out when it gets into trouble later.
func TestWhatIsMissingDoesNotComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.put("one")
		r, _ := NewResolver(f, time.Now, quiet)
		if got, err := r.Resolve(t.Context(), "crm"); got != "one" {
			t.Errorf("got %q, %v", got, err)
		}
		f.put("")
		time.Sleep(KeepFor) // it is read anew, and missing
		var missing *MissingError
		if _, err := r.Resolve(t.Context(), "crm"); !errors.As(err, &missing) {
			t.Errorf("got %v", err)
		}
		f.trouble(errors.New("throttled"))
		time.Sleep(RetryAfter) // an absence is believed for so long
		var trouble *UnavailableError
		if got, err := r.Resolve(t.Context(), "crm"); !errors.As(err, &trouble) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestOneQuestionForMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{hold: make(chan struct{})}
		f.put("v")
		r, _ := NewResolver(f, time.Now, quiet)
		gone, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.Resolve(gone, "crm"); !errors.Is(err, context.Canceled) {
				t.Errorf("who has left gets %v", err)
			}
		})
		for range 20 {
			wg.Go(func() {
				if got, err := r.Resolve(t.Context(), "crm"); got != "v" {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		synctest.Wait()
		leave()
		close(f.hold)
		wg.Wait()
		if f.asked.Load() != 1 {
			t.Errorf("%d questions", f.asked.Load())
		}
	})
}

func envFile(t *testing.T, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets.env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEnv(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"STEPLINE_SECRET_BOTH": "environment"}
	path := envFile(t, 0o600, "# ours\n\nSTEPLINE_SECRET_BOTH=file\nexport STEPLINE_SECRET_CRM_KEY = \"a=b # c\"\nSTEPLINE_SECRET_X='y'\n")
	e, err := NewEnv(func(name string) string { return vars[name] }, path)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"both": "environment", "crm-key": "a=b # c", "crm_key": "a=b # c", "x": "y"} {
		if got, found, err := e.Lookup(t.Context(), name); got != want || !found {
			t.Errorf("%s: got %q, %v, %v, want %q", name, got, found, err, want)
		}
	}
	if _, found, err := e.Lookup(t.Context(), "other"); found || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
	if err := os.WriteFile(path, []byte("STEPLINE_SECRET_OTHER=now"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _, err := e.Lookup(t.Context(), "other"); got != "now" {
		t.Errorf("a change of the file needs no restart, got %q, %v", got, err)
	}
	if place := e.Place("crm-key"); !strings.Contains(place, "STEPLINE_SECRET_CRM_KEY") || !strings.Contains(place, path) {
		t.Errorf("got %q", place)
	}
}

func TestEnvFilesThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode os.FileMode
		text string
		want string
	}{
		"readable by others": {0o644, "STEPLINE_SECRET_A=topsecret", "mode 0644"},
		"by the group":       {0o640, "STEPLINE_SECRET_A=topsecret", "chmod 600"},
		"no assignment":      {0o600, "STEPLINE_SECRET_A=1\ntopsecret", "line 2 is no secret"},
		"another variable":   {0o600, "PATH=topsecret", "line 1 is no secret"},
		"no name":            {0o600, "STEPLINE_SECRET_=topsecret", "line 1 is no secret"},
		"twice":              {0o600, "STEPLINE_SECRET_A=1\nSTEPLINE_SECRET_A=topsecret", "a second time"},
		"too long":           {0o600, strings.Repeat("#", maxFile+1), "over 1 MiB"},
	} {
		_, err := NewEnv(func(string) string { return "" }, envFile(t, c.mode, c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", name, err, c.want)
		}
	}
	if _, err := NewEnv(func(string) string { return "" }, t.TempDir()); err == nil || !strings.Contains(err.Error(), "must be a file") {
		t.Errorf("a folder: got %v", err)
	}
	if _, err := NewEnv(func(string) string { return "" }, filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("a file that is not there: got %v", err)
	}
	bare, err := NewEnv(func(string) string { return "v" }, "")
	if err != nil || bare.Place("a") != "the variable STEPLINE_SECRET_A" {
		t.Errorf("without a file: got %v", err)
	}
	if got, _, err := bare.Lookup(t.Context(), "a"); got != "v" {
		t.Errorf("without a file: got %q, %v", got, err)
	}
}
