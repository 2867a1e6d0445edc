package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Sizes that decide where a payload lives, in bytes.
const (
	// InlineInput is the largest packed input that META carries.
	InlineInput = 350
	// InlineRoom is what META has for name, tags and input together: the rest of
	// its MaxMeta is for ids, times, its holder and an error.
	InlineRoom = 620
	// MaxMeta is the largest META: every update bills all of it.
	MaxMeta = 1024
	// ChunkSize is the size of a CHUNK, and the largest packed payload that
	// is not split.
	ChunkSize = 300 << 10
	// MaxValue is the largest value of a step, input or output, as JSON.
	MaxValue = 5 << 20

	compressFrom = 192 // below it, compression saves less than it costs
)

// The first byte of a packed payload says how the rest is to be read.
const (
	packJSON  = 'j'
	packZstd  = 'z'
	packChunk = 'c'
)

// One encoder and one decoder serve all: EncodeAll and DecodeAll keep no state
// between calls and are safe for concurrent use.
var (
	encoder = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithEncoderCRC(false)))
	decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(8*MaxValue)))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // constant options, so only a programming error
	}
	return v
}

// ErrChunked says that a packed payload refers to chunks, which must be read
// and joined first.
var ErrChunked = errors.New("record: the value is stored in chunks")

// Pack encodes a JSON value, compressed where that makes it smaller.
func Pack(value []byte) []byte {
	if len(value) >= compressFrom {
		out := make([]byte, 1, len(value)/2+64)
		out[0] = packZstd
		if out = encoder.EncodeAll(value, out); len(out) < len(value) {
			return out
		}
	}
	out := make([]byte, 1+len(value))
	out[0] = packJSON
	copy(out[1:], value)
	return out
}

// Unpack is the reverse of Pack. A reference to chunks is ErrChunked.
func Unpack(packed []byte) (json.RawMessage, error) {
	if len(packed) == 0 {
		return nil, errors.New("record: empty payload")
	}
	switch packed[0] {
	case packJSON:
		return packed[1:], nil
	case packZstd:
		out, err := decoder.DecodeAll(packed[1:], nil)
		if err != nil {
			return nil, fmt.Errorf("record: payload: %w", err)
		}
		return out, nil
	case packChunk:
		return nil, ErrChunked
	}
	return nil, fmt.Errorf("record: payload of unknown encoding %q", packed[0])
}

// Chunks is a reference to a packed payload stored in parts.
type Chunks struct {
	SHA   string `json:"sha"` // of the whole packed payload, hexadecimal
	Parts int    `json:"n"`
}

// Split cuts a packed payload into parts and returns the reference that
// stands for it. A payload that fits one item is returned as it is.
func Split(packed []byte) (ref []byte, sha string, parts [][]byte) {
	if len(packed) <= ChunkSize {
		return packed, "", nil
	}
	sum := sha256.Sum256(packed)
	c := Chunks{SHA: hex.EncodeToString(sum[:16])}
	for rest := packed; len(rest) > 0; c.Parts++ {
		n := min(len(rest), ChunkSize)
		parts = append(parts, rest[:n])
		rest = rest[n:]
	}
	body, _ := json.Marshal(c) // a string and a number cannot fail
	return append([]byte{packChunk}, body...), c.SHA, parts
}

// Reference reads the reference that Split made; ok is false for a payload
// that is no reference.
func Reference(packed []byte) (c Chunks, ok bool) {
	if len(packed) == 0 || packed[0] != packChunk {
		return Chunks{}, false
	}
	return c, json.Unmarshal(packed[1:], &c) == nil && c.Parts > 0
}
