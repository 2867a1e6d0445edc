package sqlite

import (
	"maps"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]table.Attrs{
		"nothing": {},
		"meta":    metaAttrs(),
		"edges":   {"min": table.Int(-1 << 63), "max": table.Int(1<<63 - 1), "": table.String(""), "b": table.Bytes([]byte{0, 0xff})},
	} {
		got, err := decode(string(encode(a)))
		if err != nil || !maps.Equal(got, a) {
			t.Errorf("%s: %v became %v (%v)", name, a, got, err)
		}
	}
	doc := string(encode(metaAttrs()))
	for n := range doc {
		if _, err := decode(doc[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are taken for a document", n, len(doc))
		}
	}
	if _, err := decode(doc + "x"); err == nil {
		t.Error("a byte too many is not noticed")
	}
	if _, err := decode("\x02" + doc[1:]); err == nil {
		t.Error("another format is taken for this one")
	}
}

// Whatever bytes a damaged file holds, decoding neither panics nor allocates by
// what they claim; what it accepts it encodes again.
func FuzzDecode(f *testing.F) {
	f.Add(string(encode(metaAttrs())))
	f.Add("\x01\x01\x01a\x02\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")
	f.Add("\x01\xff\xff\xff\xff\x0f")
	f.Fuzz(func(t *testing.T, doc string) {
		a, err := decode(doc)
		if err != nil {
			return
		}
		again, err := decode(string(encode(a)))
		if err != nil || !maps.Equal(a, again) {
			t.Errorf("%q: %v became %v (%v)", doc, a, again, err)
		}
	})
}
