package history

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/seed-926d1ba8/stepline/internal/record"
)

// A cursor is: version, fingerprint of the filter, the ULID of the last
// execution looked at, and a checksum of these. It is no secret and grants
// nothing: the tenant comes from the caller, never from the cursor.
const (
	cursorVersion = 1
	cursorPrint   = 8
	cursorSum     = 4
	cursorSize    = 1 + cursorPrint + len(ulid.ULID{}) + cursorSum
)

// Faults of a cursor, for people.
var (
	errCursor       = errors.New("must be the `next` of an earlier page, unchanged")
	errCursorFilter = errors.New("belongs to a list with other parameters; begin again without it")
	errCursorOther  = errors.New("was made by another version of Stepline; begin again without it")
)

// encodeCursor makes the cursor of a list that looked at id last.
func encodeCursor(f Filter, id string) (string, error) {
	u, err := ulid.ParseStrict(id[min(len(record.IDPrefix), len(id)):])
	if err != nil {
		return "", fmt.Errorf("history: entry %q is no execution", id)
	}
	b := append(make([]byte, 0, cursorSize), cursorVersion)
	b = append(b, f.fingerprint()...)
	b = append(b, u[:]...)
	b = append(b, checksum(b)...)
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// decodeCursor is the id that the list looked at last.
func decodeCursor(f Filter, cursor string) (id string, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != cursorSize {
		return "", errCursor
	}
	body, sum := b[:cursorSize-cursorSum], b[cursorSize-cursorSum:]
	switch {
	case !slices.Equal(sum, checksum(body)):
		return "", errCursor
	case body[0] != cursorVersion:
		return "", errCursorOther
	case !slices.Equal(body[1:1+cursorPrint], f.fingerprint()):
		return "", errCursorFilter
	}
	return record.IDPrefix + ulid.ULID(body[1+cursorPrint:]).String(), nil
}

func checksum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:cursorSum]
}

// fingerprint names what the filter selects. Limit and Cursor may change from
// page to page.
func (f Filter) fingerprint() []byte {
	var b []byte
	for _, s := range []string{f.Workflow, string(f.Status)} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendVarint(b, int64(f.Version))
	first, last := f.bounds()
	b = append(append(b, first...), '#')
	b = append(b, last...)
	sum := sha256.Sum256(b)
	return sum[:cursorPrint]
}
