package step

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// What can be wrong with an answer that came whole.
var (
	errTooLarge = errors.New("step: answer over the limit")
	errNotJSON  = errors.New("step: answer is not JSON")
	errNotGzip  = errors.New("step: answer is not gzip")
	errCoding   = errors.New("step: answer is compressed in a way that is not read")
)

// exactly is the largest announced length that is allocated on trust.
const exactly = 1 << 20

// readBody reads an answer of at most MaxResponse bytes to its end. An answer
// without a byte is empty, whatever its coding is said to be.
func readBody(res *http.Response) ([]byte, error) {
	n := res.ContentLength
	if n > MaxResponse {
		return nil, errTooLarge
	}
	packed, err := coding(res.Header)
	switch {
	case n == 0:
		return nil, nil
	case err != nil:
		body, broken := readAll(res.Body)
		if broken == nil && len(body) > 0 {
			broken = err
		}
		return nil, broken
	case packed:
		return unzip(res)
	case n > 0 && n <= exactly:
		body := make([]byte, n)
		_, err := io.ReadFull(res.Body, body) // the last read also meets the end
		return body, err
	}
	return readAll(res.Body)
}

// coding says whether an answer is gzip. Any other compression is an error,
// since its bytes would pass for the destination's own; what is not the name of
// one, such as "utf-8", is a mistake that servers make, and means nothing.
func coding(h http.Header) (packed bool, err error) {
	for name := range strings.SplitSeq(strings.Join(h["Content-Encoding"], ","), ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			if packed { // twice
				return false, errCoding
			}
			packed = true
		case "deflate", "br", "zstd", "compress", "x-compress":
			return false, errCoding
		}
	}
	return packed, nil
}

// unzip reads a body in gzip to its end.
func unzip(res *http.Response) ([]byte, error) {
	raw := &lastError{Reader: res.Body}
	z, err := gzip.NewReader(raw)
	if err == io.EOF { //nolint:errorlint // not a byte came; a body that is cut short ends otherwise
		return nil, nil
	}
	var body []byte
	if err == nil {
		body, err = readAll(z)
	}
	if err != nil {
		return nil, gzipFault(err, raw.err == io.EOF && framed(res)) //nolint:errorlint // as io.Reader gives it
	}
	discard(res.Body)
	return body, nil
}

// lastError keeps the error of the last read.
type lastError struct {
	io.Reader
	err error
}

func (r *lastError) Read(p []byte) (n int, err error) {
	n, r.err = r.Reader.Read(p)
	return n, r.err
}

// framed reports whether the end of the body says that it came whole. A body
// that lasts as long as its connection does not.
func framed(res *http.Response) bool {
	return res.ContentLength >= 0 || len(res.TransferEncoding) > 0
}

// gzipFault tells bad compression from a broken connection. whole: the body came
// to its end, so compressed data that ends too early was sent that way.
func gzipFault(err error, whole bool) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) ||
		whole && errors.Is(err, io.ErrUnexpectedEOF) {
		return errNotGzip
	}
	return err
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// readAll reads a body of unknown length.
func readAll(r io.Reader) ([]byte, error) {
	b := buffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= exactly { // one large answer must not stay in memory
			b.Reset()
			buffers.Put(b)
		}
	}()
	n, err := b.ReadFrom(io.LimitReader(r, MaxResponse+1))
	if err != nil {
		return nil, err
	}
	if n > MaxResponse {
		return nil, errTooLarge
	}
	return bytes.Clone(b.Bytes()), nil
}

// maxDiscard is how much of an unread body is read so that its connection can
// be used again; beyond, a new connection is cheaper.
const maxDiscard = 16 << 10

func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxDiscard) // a failure costs the connection only
	_ = body.Close()
}
