package sign

import (
	"strings"
	"time"
)

// Algorithm is the hash function of an HMAC.
type Algorithm string

// The algorithms.
const (
	SHA1   Algorithm = "sha1"
	SHA256 Algorithm = "sha256"
	SHA512 Algorithm = "sha512"
)

// Encoding is how a signature is written.
type Encoding string

// The encodings: lower-case hexadecimal, and standard base64 with padding.
const (
	Hex    Encoding = "hex"
	Base64 Encoding = "base64"
)

// Tolerances of a timestamp, in both directions.
const (
	DefaultTolerance = 5 * time.Minute
	MaxTolerance     = 24 * time.Hour
)

// Body is the pattern of a signature of nothing but the body.
const Body = "{body}"

// Config describes a scheme of one's own. Zero fields have the defaults named.
type Config struct {
	Signature string        // the header of the signature; required
	ID        string        // the header of the message's id; "" for none
	Timestamp string        // the header of the Unix time in seconds; "" for none
	Tolerance time.Duration // how far Timestamp may be off; DefaultTolerance
	Algorithm Algorithm     // SHA256
	Encoding  Encoding      // Hex
	Prefix    string        // in front of the signature, such as sha256=
	Signed    string        // pattern of what is signed; Body
}

// Fault is one thing wrong with a Config.
type Fault struct {
	Field  string // of Config
	Detail string // a sentence that says what would be right
}

// Scheme is a checked way to sign. It is immutable and safe for concurrent use.
type Scheme struct {
	c        Config
	standard bool
	text     []piece
}

// piece is a part of the signed text: a placeholder, or a text of its own.
type piece struct {
	what string // "{id}", "{timestamp}", "{body}" or ""
	text string
}

// Standard is the scheme of https://www.standardwebhooks.com: the headers
// webhook-id, webhook-timestamp and webhook-signature, secrets of the form
// whsec_<base64>, several signatures at a time. tolerance 0 is DefaultTolerance.
func Standard(tolerance time.Duration) *Scheme {
	s, _ := New(Config{
		Signature: "webhook-signature", ID: "webhook-id", Timestamp: "webhook-timestamp", Tolerance: tolerance,
		Encoding: Base64, Prefix: "v1,", Signed: "{id}.{timestamp}.{body}",
	})
	s.standard = true
	return s
}

// New checks a configuration. With faults there is no scheme.
func New(c Config) (*Scheme, []Fault) {
	c = c.withDefaults()
	s := &Scheme{c: c}
	faults := c.faults()
	pieces, detail := parsePattern(c.Signed)
	if detail != "" {
		return nil, append(faults, Fault{"Signed", detail})
	}
	s.text = pieces
	if faults = append(faults, s.unsigned()...); len(faults) > 0 {
		return nil, faults
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Tolerance == 0 {
		c.Tolerance = DefaultTolerance
	}
	if c.Algorithm == "" {
		c.Algorithm = SHA256
	}
	if c.Encoding == "" {
		c.Encoding = Hex
	}
	if c.Signed == "" {
		c.Signed = Body
	}
	return c
}

func (c Config) faults() (out []Fault) {
	fault := func(field, detail string) { out = append(out, Fault{field, detail}) }
	if c.Signature == "" {
		fault("Signature", "must name the header of the signature")
	}
	seen := map[string]bool{}
	for _, h := range []struct{ field, name string }{{"Signature", c.Signature}, {"ID", c.ID}, {"Timestamp", c.Timestamp}} {
		name := strings.ToLower(h.name)
		switch {
		case name == "":
		case !token(name):
			fault(h.field, "must be the name of a header: letters, digits and - _ . only")
		case seen[name]:
			fault(h.field, "must be a header of its own")
		}
		seen[name] = name != ""
	}
	switch c.Algorithm {
	case SHA1, SHA256, SHA512:
	default:
		fault("Algorithm", "must be one of sha1, sha256 and sha512")
	}
	if c.Encoding != Hex && c.Encoding != Base64 {
		fault("Encoding", "must be hex or base64")
	}
	if c.Tolerance < time.Second || c.Tolerance > MaxTolerance {
		fault("Tolerance", "must be from 1s to 1d")
	}
	if strings.ContainsFunc(c.Prefix, func(r rune) bool { return r < '!' || r > '~' }) {
		fault("Prefix", "must be visible ASCII characters")
	}
	return out
}

// unsigned are the faults of headers that are read and not signed, or signed
// and not read.
func (s *Scheme) unsigned() (out []Fault) {
	switch {
	case s.signs("{id}") && s.c.ID == "":
		out = append(out, Fault{"ID", "must name the header of the id, which is a part of what is signed"})
	case s.signs("{timestamp}") && s.c.Timestamp == "":
		out = append(out, Fault{"Timestamp", "must name the header of the timestamp, which is a part of what is signed"})
	case !s.signs("{timestamp}") && s.c.Timestamp != "":
		out = append(out, Fault{"Signed", "must hold {timestamp}: a time that is not signed proves nothing"})
	}
	return out
}

func (s *Scheme) signs(what string) bool {
	for _, p := range s.text {
		if p.what == what {
			return true
		}
	}
	return false
}

// HasID reports whether messages of this scheme carry an id.
func (s *Scheme) HasID() bool { return s.c.ID != "" }

// SignsID reports whether the id is a part of what is signed. Where it is not,
// a message can be sent again under another id.
func (s *Scheme) SignsID() bool { return s.signs("{id}") }

// SignsTime reports whether messages carry a signed time. Where they do not, a
// message can be sent again at any time.
func (s *Scheme) SignsTime() bool { return s.signs("{timestamp}") }

// Window is how long after the first time a message can be sent again and still
// be near in time; 0 where no time is signed, and it always can be.
func (s *Scheme) Window() time.Duration {
	if !s.SignsTime() {
		return 0
	}
	return 2 * s.c.Tolerance // it may have come from a clock that is ahead
}

// Headers are the names of the headers that Sign sets.
func (s *Scheme) Headers() []string {
	var names []string
	for _, name := range []string{s.c.ID, s.c.Timestamp, s.c.Signature} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// parsePattern splits a pattern into its pieces; detail says what is wrong.
func parsePattern(pattern string) (pieces []piece, detail string) {
	seen := map[string]bool{}
	for rest := pattern; rest != ""; {
		next, what := len(rest), ""
		for _, p := range []string{"{id}", "{timestamp}", Body} {
			if i := strings.Index(rest, p); i >= 0 && i < next {
				next, what = i, p
			}
		}
		switch {
		case strings.ContainsAny(rest[:next], "{}"):
			return nil, "knows the placeholders {id}, {timestamp} and {body} only"
		case what != "" && seen[what]:
			return nil, "must hold " + what + " once"
		case what != "" && next == 0 && len(pieces) > 0:
			return nil, "must keep its placeholders apart, as in {id}.{timestamp}.{body}"
		}
		if next > 0 {
			pieces = append(pieces, piece{text: rest[:next]})
		}
		if what != "" {
			pieces = append(pieces, piece{what: what})
			seen[what] = true
		}
		rest = rest[next+len(what):]
	}
	if !seen[Body] {
		return nil, "must hold {body}: a signature says nothing of a body that is not signed"
	}
	return pieces, ""
}

// token accepts an HTTP header's name.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	})
}
