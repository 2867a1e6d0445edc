package step

import (
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/expr"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
	typeText = "text/plain; charset=utf-8"
)

// setBody writes the body: a string as it is, as plain text; anything else as
// JSON. A content-type among the headers stays; for an object it may name a
// form, and then the object is written as one.
func (r *request) setBody(v any) *Error {
	named := mediaType(r.header.Get("Content-Type"))
	switch s, text := v.(string); {
	case text:
		r.body = []byte(s)
		if named == "" {
			r.header["Content-Type"] = []string{typeText}
		}
	case named == typeForm:
		values, fault := form("request.body", v)
		if fault != nil {
			return fault
		}
		r.body = []byte(values.Encode())
	default:
		body, err := expr.Encode(v)
		if err != nil {
			return invalid("request.body cannot be written as JSON")
		}
		r.body = body
		if named == "" {
			r.header["Content-Type"] = []string{typeJSON}
		}
	}
	return nil
}

// mediaType is a content type without its parameters, in lower case.
func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(s))
}

func isJSON(mediaType string) bool {
	return mediaType == typeJSON || strings.HasSuffix(mediaType, "+json")
}
