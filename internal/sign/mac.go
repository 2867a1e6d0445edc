package sign

import (
	"crypto/hmac"
	"crypto/sha1" // asked for by name, by providers that know no other
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"slices"
	"strings"
)

// Errors of a secret. They never hold it.
var (
	errEmptySecret    = errors.New("the secret is empty")
	errStandardSecret = errors.New("the secret must be whsec_ and 24 to 64 bytes in base64")
)

// SecretPrefix starts a secret of the standard scheme.
const SecretPrefix = "whsec_"

// Sizes of a secret of the standard scheme, decoded.
const (
	minStandard = 24
	maxStandard = 64
)

// key is the secret as bytes: of the standard scheme what its base64 stands
// for, of any other its text.
func (s *Scheme) key(secret string) ([]byte, error) {
	if secret == "" {
		return nil, errEmptySecret
	}
	if !s.standard {
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, SecretPrefix))
	if err != nil || len(key) < minStandard || len(key) > maxStandard {
		return nil, errStandardSecret
	}
	return key, nil
}

// signature is the signature of a message as its header has it.
func (s *Scheme) signature(key []byte, id, timestamp string, body []byte) string {
	h := hmac.New(s.hash(), key)
	for _, p := range s.text {
		switch p.what {
		case "{id}":
			h.Write([]byte(id))
		case "{timestamp}":
			h.Write([]byte(timestamp))
		case Body:
			h.Write(body)
		default:
			h.Write([]byte(p.text))
		}
	}
	sum := h.Sum(nil)
	if s.c.Encoding == Base64 {
		return s.c.Prefix + base64.StdEncoding.EncodeToString(sum)
	}
	return s.c.Prefix + hex.EncodeToString(sum)
}

func (s *Scheme) hash() func() hash.Hash {
	switch s.c.Algorithm {
	case SHA1:
		return sha1.New
	case SHA512:
		return sha512.New
	}
	return sha256.New
}

// separable reports whether the id cannot be cut elsewhere. Id and body are the
// only pieces of any length, so the one cut between them must be certain: where
// the id comes first, the text behind it appears for the first time there; where
// the body comes first, the text before the id appears for the last time there.
func (s *Scheme) separable(id string) bool {
	switch between, before := s.between(); {
	case between == "":
		return true
	case before:
		return strings.LastIndex(between+id, between) == 0
	default:
		return strings.Index(id+between, between) == len(id)
	}
}

// between is the text next to the id on the body's side, "" where no id is
// signed. before: it stands before the id.
func (s *Scheme) between() (text string, before bool) {
	id := slices.IndexFunc(s.text, func(p piece) bool { return p.what == "{id}" })
	switch {
	case id < 0:
		return "", false
	case id < slices.IndexFunc(s.text, func(p piece) bool { return p.what == Body }):
		return s.text[id+1].text, false
	}
	return s.text[id-1].text, true
}

// Separator is the text that an id must not hold, "" where no id is signed.
func (s *Scheme) Separator() string {
	text, _ := s.between()
	return text
}
