package local

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-926d1ba8/stepline/internal/secret"
)

// KeyFile is the file of the callback keys in the data folder: one key of 32
// bytes a line, in hexadecimal. The first signs new callback addresses, both
// are accepted. To rotate, put a new first line in (openssl rand -hex 32),
// restart, and take the old line out when the last address signed with it has
// served. A file that other users can read is refused.
const KeyFile = "callback.key"

const (
	keySize = 32
	maxKeys = 2
)

// callbackKeys reads the keys, and makes the first one on the first start. The
// data folder must be locked.
func callbackKeys(dir string) ([][]byte, error) {
	path := filepath.Join(dir, KeyFile)
	src, err := secret.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, keySize)
		_, _ = rand.Read(key) // never fails
		return [][]byte{key}, writeKey(dir, path, key)
	}
	if err != nil {
		return nil, fmt.Errorf("callback keys: %w", err)
	}
	var keys [][]byte
	for line := range bytes.Lines(src) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		key, err := hex.DecodeString(string(line))
		if err != nil || len(key) != keySize {
			return nil, fmt.Errorf("%s: line %d is no key; %d hexadecimal digits are expected", path, len(keys)+1, 2*keySize)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, fmt.Errorf("%s holds %d keys; one is expected, or two during a rotation", path, len(keys))
	}
	return keys, nil
}

// writeKey makes the file whole or not at all: callback addresses signed with a
// key that is lost could never be answered.
func writeKey(dir, path string, key []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("callback keys: %w", err)
	}
	_, err = fmt.Fprintln(f, hex.EncodeToString(key))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("callback keys: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("callback keys: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("callback keys: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
