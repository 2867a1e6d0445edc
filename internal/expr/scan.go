package expr

import "strings"

// part is a piece of a string: text, or an expression's source.
type part struct {
	text   string
	source bool
}

// split cuts a string into texts and expressions. detail is a sentence when it
// cannot be cut.
func split(s string) (parts []part, detail string) {
	for {
		open := strings.Index(s, "{{")
		if open < 0 {
			break
		}
		if open > 0 {
			parts = append(parts, part{text: s[:open]})
		}
		s = s[open+2:]
		end := closing(s)
		if end < 0 {
			return nil, `an expression begins with {{ and must end with }}; a literal {{ is written {{ "{{" }}`
		}
		source := strings.TrimSpace(s[:end])
		if source == "" {
			return nil, "an expression must stand between {{ and }}"
		}
		parts = append(parts, part{text: source, source: true})
		s = s[end+2:]
	}
	if s != "" {
		parts = append(parts, part{text: s})
	}
	return parts, ""
}

// closing is where the }} of an expression stands, -1 for nowhere. Braces of
// maps and predicates nest; those in strings do not count.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '{':
			depth++
		case '}':
			if depth > 0 {
				depth--
			} else if strings.HasPrefix(s[i:], "}}") {
				return i
			}
		case '"', '\'', '`':
			n := quoted(s[i:])
			if n < 0 {
				return -1
			}
			i += n - 1
		}
	}
	return -1
}

// quoted is the length of the string literal that s begins with, -1 when it
// does not end.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return i + 1
		case s[i] == '\\' && s[0] != '`':
			i++
		}
	}
	return -1
}
