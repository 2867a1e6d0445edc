package table

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
)

// ErrBadCursor: the cursor was not made by this query.
var ErrBadCursor = errors.New("table: cursor belongs to another query")

// Position is the item after which a query goes on.
type Position struct {
	Key Key
	Due int64 // the item's qk; index Due only
}

const cursorVersion = 1

// CursorAfter makes the cursor that continues q after an item.
func (q Query) CursorAfter(it Item) Cursor {
	b := append(make([]byte, 0, 32+len(it.PK)+len(it.SK)), cursorVersion)
	b = binary.BigEndian.AppendUint64(b, q.fingerprint())
	b = binary.AppendVarint(b, it.Attrs[DueSK].Int())
	b = appendString(b, it.PK)
	b = append(b, it.SK...)
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

// Position reads the query's cursor; ok is false at the beginning.
func (q Query) Position() (p Position, ok bool, err error) {
	if q.After == "" {
		return p, false, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(string(q.After))
	if err != nil || len(b) < 9 || b[0] != cursorVersion || binary.BigEndian.Uint64(b[1:]) != q.fingerprint() {
		return p, false, ErrBadCursor
	}
	b = b[9:]
	due, n := binary.Varint(b)
	if n <= 0 {
		return p, false, ErrBadCursor
	}
	size, m := binary.Uvarint(b[n:])
	if b = b[n+max(m, 0):]; m <= 0 || size >= uint64(len(b)) { // sk is never empty
		return p, false, ErrBadCursor
	}
	return Position{Key: Key{PK: string(b[:size]), SK: string(b[size:])}, Due: due}, true, nil
}

// fingerprint binds a cursor to what the query reads; page size and
// consistency may change from page to page.
func (q Query) fingerprint() uint64 {
	h := fnv.New64a()
	var b []byte
	for _, s := range []string{q.Index, q.PK, q.From, q.To} {
		b = appendString(b, s)
	}
	if q.Desc {
		b = append(b, 1)
	}
	_, _ = h.Write(b)
	return h.Sum64()
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
