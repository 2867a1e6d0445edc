package expr

import "strings"

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// Pointer joins keys and indexes to a JSON pointer (RFC 6901); none is the
// whole value, "".
func Pointer(tokens ...string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(escapePointer.Replace(t))
	}
	return b.String()
}
