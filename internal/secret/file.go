package secret

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFile bounds what is read.
const maxFile = 1 << 20

// ReadFile reads a file that holds secrets, of 1 MiB at most. One that other
// users can read is refused. The error is fs.ErrNotExist where there is none,
// and never shows what the file holds.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s must be a file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s can be read by other users (mode %04o); run chmod 600 on it", path, info.Mode().Perm())
	}
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil || len(src) > maxFile {
		return nil, errors.Join(fmt.Errorf("%s cannot be read, or is over 1 MiB", path), err)
	}
	return src, nil
}
