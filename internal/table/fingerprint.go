package table

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
)

// Fingerprint is the same for the same writes in the same order only. Drivers
// that remember transaction tokens themselves keep it to tell a repetition from
// a token used for something else.
func Fingerprint(ws []Write) string {
	var b []byte
	for _, w := range ws {
		b = appendString(appendString(b, w.Key.PK), w.Key.SK)
		b = append(b, byte(w.Kind))
		b = appendAttrs(b, w.Set)
		b = binary.AppendUvarint(b, uint64(len(w.Add)))
		for _, name := range slices.Sorted(maps.Keys(w.Add)) {
			b = binary.AppendVarint(appendString(b, name), w.Add[name])
		}
		b = binary.AppendUvarint(b, uint64(len(w.Remove)))
		for _, name := range w.Remove {
			b = appendString(b, name)
		}
		b = binary.AppendUvarint(b, uint64(len(w.If)))
		for _, all := range w.If {
			b = binary.AppendUvarint(b, uint64(len(all)))
			for _, t := range all {
				b = append(appendString(b, t.Attr), byte(t.Op))
				b = appendValue(b, t.Value)
			}
		}
	}
	sum := sha256.Sum256(b)
	return string(sum[:])
}

func appendAttrs(b []byte, a Attrs) []byte {
	b = binary.AppendUvarint(b, uint64(len(a)))
	for _, name := range slices.Sorted(maps.Keys(a)) {
		b = appendValue(appendString(b, name), a[name])
	}
	return b
}

func appendValue(b []byte, v Value) []byte {
	return appendString(binary.AppendVarint(append(b, byte(v.kind)), v.num), v.str)
}
