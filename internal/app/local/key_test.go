package local

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCallbackKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := callbackKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	again, err := callbackKeys(dir)
	if err != nil || len(first) != 1 || len(again) != 1 || !bytes.Equal(first[0], again[0]) {
		t.Errorf("got %d and %d keys, %v; want the same one", len(first), len(again), err)
	}
	other, err := callbackKeys(t.TempDir())
	if err != nil || bytes.Equal(first[0], other[0]) {
		t.Errorf("two folders share a key (%v)", err)
	}
}

func TestCallbackKeysDuringRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fresh, old := bytes.Repeat([]byte{1}, keySize), bytes.Repeat([]byte{2}, keySize)
	put(t, dir, hex.EncodeToString(fresh)+"\n\n"+hex.EncodeToString(old)+"\n")
	keys, err := callbackKeys(dir)
	if err != nil || len(keys) != 2 || !bytes.Equal(keys[0], fresh) || !bytes.Equal(keys[1], old) {
		t.Errorf("got %x, %v", keys, err)
	}
}

func TestCallbackKeysThatAreWrong(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("ab", keySize)
	for content, want := range map[string]string{
		"":                            "holds 0 keys",
		"secret\n":                    "line 1 is no key; 64 hexadecimal digits",
		key + "\n" + key[2:] + "\n":   "line 2 is no key",
		strings.Repeat(key+"\n", 3):   "holds 3 keys",
		"0x" + key[2:] + "\n" + "\n ": "line 1 is no key",
	} {
		dir := t.TempDir()
		put(t, dir, content)
		_, err := callbackKeys(dir)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", content, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the message shows the key: %v", err)
		}
		if after, _ := os.ReadFile(filepath.Join(dir, KeyFile)); string(after) != content {
			t.Errorf("%q was overwritten with %q", content, after)
		}
	}
}

// TestCallbackKeysThatOthersCanRead: whoever can read them can answer for
// anybody, so the person is asked to look.
func TestCallbackKeysThatOthersCanRead(t *testing.T) {
	t.Parallel()
	for mode, want := range map[os.FileMode]string{0o644: "(mode 0644); run chmod 600 on it", 0o640: "(mode 0640); run chmod 600 on it"} {
		dir := t.TempDir()
		put(t, dir, strings.Repeat("ab", keySize)+"\n")
		if err := os.Chmod(filepath.Join(dir, KeyFile), mode); err != nil {
			t.Fatal(err)
		}
		_, err := callbackKeys(dir)
		if err == nil || !strings.Contains(err.Error(), KeyFile+" can be read by other users "+want) {
			t.Errorf("mode %o: got %v, want %q", mode, err, want)
		}
	}
}

func put(t *testing.T, dir, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, KeyFile), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
