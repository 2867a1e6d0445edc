package step

import (
	"net/url"
	"strconv"
	"strings"
)

// target checks the address. Its messages show none of it: a path or a query
// may hold a secret.
func target(v any) (*url.URL, *Error) {
	s, ok := v.(string)
	if !ok {
		return nil, invalid("request.url must be a string such as https://api.example.com/deals")
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, invalid("request.url is not a valid address; it may hold no control character, and a %% before the query must begin an escape such as %%20")
	}
	escapeURL(u)
	return u, checkTarget("request.url", u)
}

func checkTarget(what string, u *url.URL) *Error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return invalid("%s must be absolute and start with http:// or https://", what)
	case u.Hostname() == "" || u.Opaque != "":
		return invalid("%s must name a host", what)
	case u.User != nil:
		return invalid("%s must not hold a user name or password", what)
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return invalid("%s must have a port from 1 to 65535", what)
		}
	}
	return nil
}

// escapeURL makes an address one that can be sent. net/url takes a query as it
// is, and a space in it would end the request's target; of a path with such
// characters it forgets which of its slashes were escaped.
func escapeURL(u *url.URL) {
	u.RawQuery = escape(u.RawQuery)
	u.RawPath = escape(u.RawPath)
}

// escape percent-encodes what must not stand in a path or a query (RFC 3986,
// 3.3 and 3.4). Escapes stay, and a % that begins none becomes %25. Brackets,
// which many services expect in a query, stay as they are written.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	done := 0
	for i := range len(s) {
		if c := s[i]; !allowed(c) && !(c == '%' && isEscape(s[i:])) {
			b.WriteString(s[done:i])
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			done = i + 1
		}
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

func allowed(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("-._~!$&'()*+,;=:@/?[]", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isEscape(s string) bool { return len(s) > 2 && isHex(s[1]) && isHex(s[2]) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func addQuery(u *url.URL, v any) *Error {
	if v == nil {
		return nil
	}
	values, fault := form("request.query", v)
	if fault != nil || len(values) == 0 {
		return fault
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += values.Encode()
	return nil
}
