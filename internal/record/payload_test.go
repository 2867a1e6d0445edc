package record_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/record"
)

// payloads are values of every size class, well and badly compressible.
func payloads() map[string][]byte {
	noise := make([]byte, record.MaxValue)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = 'a' + byte(rnd.Uint32()%64)
	}
	return map[string][]byte{
		"null": []byte("null"), "short": []byte(`{"a":1}`), "repetitive": []byte(`"` + strings.Repeat("ab", 2000) + `"`),
		"noise": noise[:1000], "two chunks": noise[:record.ChunkSize+record.ChunkSize/2], "the most": noise,
	}
}

func TestPayloadsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, value := range payloads() {
		packed := record.Pack(value)
		if len(packed) > len(value)+1 {
			t.Errorf("%s: %d bytes packed are %d", name, len(value), len(packed))
		}
		ref, sha, parts := record.Split(packed)
		if c, chunked := record.Reference(ref); chunked != (len(parts) > 0) || c.Parts != len(parts) || c.SHA != sha {
			t.Fatalf("%s: reference %+v, %t to %d parts of %s", name, c, chunked, len(parts), sha)
		}
		if len(parts) > 0 {
			if _, err := record.Unpack(ref); !errors.Is(err, record.ErrChunked) {
				t.Errorf("%s: Unpack of the reference: %v, want ErrChunked", name, err)
			}
			if ref = nil; len(packed) <= record.ChunkSize {
				t.Errorf("%s: split although it fits", name)
			}
			for _, p := range parts {
				if ref = append(ref, p...); len(p) > record.ChunkSize {
					t.Errorf("%s: a part of %d bytes", name, len(p))
				}
			}
		}
		if got, err := record.Unpack(ref); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%s: %d bytes came back as %d, %v", name, len(value), len(got), err)
		}
	}
}

func TestWhatIsNoPayload(t *testing.T) {
	t.Parallel()
	whole := record.Pack(bytes.Repeat([]byte("abc"), 1000))
	for name, packed := range map[string][]byte{
		"empty": nil, "unknown encoding": []byte("x1"), "cut": whole[:len(whole)-1], "no frame": []byte("zz"),
	} {
		if got, err := record.Unpack(packed); err == nil {
			t.Errorf("%s: unpacked as %d bytes, want an error", name, len(got))
		}
	}
	for _, ref := range []string{"", "j1", "c", "c{}", `c{"sha":"a","n":0}`, `c{"sha":"a","n":-1}`} {
		if c, ok := record.Reference([]byte(ref)); ok {
			t.Errorf("Reference(%q) = %+v, want none", ref, c)
		}
	}
}

// Whatever an item holds, reading it ends, in an error or in a value that packs
// to itself.
func FuzzUnpack(f *testing.F) {
	for _, v := range payloads() {
		f.Add(record.Pack(v[:min(len(v), 2000)]))
	}
	f.Add([]byte(`c{"sha":"ab","n":3}`))
	f.Fuzz(func(t *testing.T, packed []byte) {
		got, err := record.Unpack(packed)
		if err != nil {
			return
		}
		if again, err := record.Unpack(record.Pack(got)); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q came back as %q, %v", got, again, err)
		}
	})
}
