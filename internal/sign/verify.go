package sign

import (
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Why a message is refused. All of them are one answer to its sender; they are
// told apart for the operator's log only.
var (
	ErrHeaders   = errors.New("a header of the signature is missing, empty or given twice")
	ErrID        = errors.New("the message's id is too long or cannot be told from what follows it")
	ErrTimestamp = errors.New("the timestamp is not a time near now")
	ErrSignature = errors.New("no signature matches")
	ErrSecret    = errors.New("no secret can be used with this scheme")
)

// Bounds of what a sender may make us look at.
const (
	maxID         = 255
	maxSignatures = 16
)

// Verified is what a genuine message says of itself.
type Verified struct {
	ID string    // "" where the scheme has none
	At time.Time // zero where the scheme has none
}

// Verify reports whether one of the secrets has signed the message near now.
// header gives all values of a header, whose name it takes in any letter case.
// The error is one of this package's, and no part of the message is in it.
func (s *Scheme) Verify(header func(name string) []string, body []byte, secrets []string, now time.Time) (Verified, error) {
	id, idOK := one(header, s.c.ID)
	stamp, stampOK := one(header, s.c.Timestamp)
	given, givenOK := one(header, s.c.Signature)
	matched, usable := s.matches(given, id, stamp, body, secrets)
	at, near := near(stamp, now, s.c.Tolerance)
	switch {
	case !usable:
		return Verified{}, ErrSecret
	case !idOK || !stampOK || !givenOK:
		return Verified{}, ErrHeaders
	case len(id) > maxID || !s.separable(id):
		return Verified{}, ErrID
	case !matched:
		return Verified{}, ErrSignature
	case s.c.Timestamp != "" && !near:
		return Verified{}, ErrTimestamp
	}
	return Verified{ID: id, At: at}, nil
}

// one is the only value of a header. A header that the scheme does without is
// always well.
func one(header func(string) []string, name string) (string, bool) {
	if name == "" {
		return "", true
	}
	values := header(name)
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

// matches tries every secret on every signature that is given. usable: at least
// one secret could be.
func (s *Scheme) matches(given, id, stamp string, body []byte, secrets []string) (matched, usable bool) {
	signatures := []string{given}
	if s.standard {
		signatures = strings.Split(given, " ")
		signatures = signatures[:min(len(signatures), maxSignatures)]
	}
	same := 0
	for _, secret := range secrets {
		key, err := s.key(secret)
		if err != nil {
			continue
		}
		usable = true
		want := []byte(s.signature(key, id, stamp, body))
		for _, g := range signatures {
			same |= subtle.ConstantTimeCompare(want, []byte(g))
		}
	}
	return same == 1, usable
}

// near reads a timestamp: digits only, as it was signed.
func near(stamp string, now time.Time, tolerance time.Duration) (time.Time, bool) {
	n, err := strconv.ParseUint(stamp, 10, 40)
	if err != nil || stamp != strconv.FormatUint(n, 10) {
		return time.Time{}, false
	}
	at := time.Unix(int64(n), 0).UTC()
	return at, at.Sub(now).Abs() <= tolerance
}

// Header is one header of a signed message.
type Header struct{ Name, Value string }

// Sign signs a message: the headers to send along with it, in a fixed order. id
// is used where the scheme has one. Every secret makes a signature where the
// scheme can carry several, else the first one does. Errors hold no secret.
func (s *Scheme) Sign(id string, at time.Time, body []byte, secrets ...string) ([]Header, error) {
	if s.c.ID == "" {
		id = ""
	} else if id == "" || len(id) > maxID || !s.separable(id) {
		return nil, ErrID
	}
	stamp := ""
	if s.c.Timestamp != "" {
		stamp = strconv.FormatInt(at.Unix(), 10)
	}
	var signatures []string
	for _, secret := range secrets {
		key, err := s.key(secret)
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, s.signature(key, id, stamp, body))
		if !s.standard {
			break
		}
	}
	if len(signatures) == 0 {
		return nil, ErrSecret
	}
	var out []Header
	for _, h := range []Header{{s.c.ID, id}, {s.c.Timestamp, stamp}, {s.c.Signature, strings.Join(signatures, " ")}} {
		if h.Name != "" {
			out = append(out, h)
		}
	}
	return out, nil
}
