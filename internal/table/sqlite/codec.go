package sqlite

import (
	"encoding/binary"
	"errors"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// encodingV1 starts every document. A document is the number of attributes and
// then for each its name, its kind and its value; numbers are zigzag varints,
// everything else is preceded by its length.
const encodingV1 = 1

var errDocument = errors.New("damaged item")

func encode(a table.Attrs) []byte {
	size := 2 + binary.MaxVarintLen16
	for name, v := range a {
		size += len(name) + len(v.Raw()) + 2 + binary.MaxVarintLen64
	}
	b := append(make([]byte, 0, size), encodingV1)
	b = binary.AppendUvarint(b, uint64(len(a)))
	for name, v := range a {
		b = appendAttr(b, name, v)
	}
	return b
}

func appendAttr(b []byte, name string, v table.Value) []byte {
	b = binary.AppendUvarint(b, uint64(len(name)))
	b = append(b, name...)
	b = append(b, byte(v.Kind()))
	if v.Kind() == table.KindInt {
		return binary.AppendVarint(b, v.Int())
	}
	b = binary.AppendUvarint(b, uint64(len(v.Raw())))
	return append(b, v.Raw()...)
}

// decode reads a document. The strings of the answer share doc's memory, so
// doc must not be a buffer that is used again.
func decode(doc string) (table.Attrs, error) {
	d := decoder{rest: doc}
	if d.byte() != encodingV1 {
		return nil, errDocument
	}
	n := d.uvarint()
	if n > uint64(len(d.rest)) { // an attribute takes more than a byte
		return nil, errDocument
	}
	a := make(table.Attrs, n)
	for range n {
		name := d.string()
		switch table.Kind(d.byte()) {
		case table.KindInt:
			a[name] = table.Int(d.varint())
		case table.KindString:
			a[name] = table.String(d.string())
		case table.KindBytes:
			a[name] = table.BytesOf(d.string())
		default:
			return nil, errDocument
		}
	}
	if d.failed || d.rest != "" || uint64(len(a)) != n {
		return nil, errDocument
	}
	return a, nil
}

// decoder consumes a string; after a fault everything reads as zero.
type decoder struct {
	rest   string
	failed bool
}

func (d *decoder) byte() byte {
	if d.rest == "" {
		d.failed = true
		return 0
	}
	c := d.rest[0]
	d.rest = d.rest[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		c := d.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	d.failed = true
	return 0
}

func (d *decoder) varint() int64 {
	n := d.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.failed, d.rest = true, ""
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}
