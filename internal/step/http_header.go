package step

import (
	"net/http"
)

// headers reads the document's headers; null leaves one out.
func headers(v any) (http.Header, *Error) {
	if v == nil {
		return make(http.Header, 4), nil
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, invalid("request.headers must be an object of strings")
	}
	h := make(http.Header, len(fields)+4)
	for name, v := range fields {
		if v == nil {
			continue
		}
		if !validName(name) {
			return nil, invalid("request.headers: a name must be made of letters, digits and - _ . only")
		}
		canonical := http.CanonicalHeaderKey(name)
		if why := refused[canonical]; why != "" {
			return nil, invalid("request.headers.%s cannot be set: %s", name, why)
		}
		s, ok := scalar(v)
		if !ok || !validValue(s) {
			return nil, invalid("request.headers.%s must be a string on one line, without control characters", name)
		}
		if _, twice := h[canonical]; twice {
			return nil, invalid("request.headers.%s is given twice, in different letter case", name)
		}
		h[canonical] = []string{s}
	}
	return h, nil
}

// refused are the headers that belong to the connection, or that would make the
// message another one than it is.
var refused = map[string]string{
	"Host":                "it comes from url",
	"Content-Length":      "it comes from body",
	"Connection":          hop,
	"Keep-Alive":          hop,
	"Proxy-Connection":    hop,
	"Proxy-Authorization": hop,
	"Proxy-Authenticate":  hop,
	"Te":                  hop,
	"Trailer":             hop,
	"Transfer-Encoding":   hop,
	"Upgrade":             hop,
	"Expect":              "a request is always sent whole",
}

const hop = "it belongs to the connection, not to the request"

// validName accepts an HTTP token (RFC 9110, 5.6.2).
func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case isAlphanumeric(c):
		case c == '-', c == '_', c == '.', c == '!', c == '#', c == '$', c == '%', c == '&',
			c == '\'', c == '*', c == '+', c == '^', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return s != ""
}

// validValue refuses what would end the line or be refused by net/http.
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
