package sign

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The example of the Standard Webhooks specification and its libraries.
const (
	specSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	specID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	specTime   = 1614265330
	specBody   = `{"test": 2432232314}`
	specSigned = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

type headers map[string][]string

func (h headers) get(name string) []string { return h[strings.ToLower(name)] }

func (h headers) with(name string, values ...string) headers {
	out := headers{name: values}
	for k, v := range h {
		if k != name {
			out[k] = v
		}
	}
	return out
}

func asHeaders(hs []Header) headers {
	out := headers{}
	for _, h := range hs {
		out[strings.ToLower(h.Name)] = []string{h.Value}
	}
	return out
}

func specHeaders() headers {
	return headers{"webhook-id": {specID}, "webhook-timestamp": {strconv.Itoa(specTime)}, "webhook-signature": {specSigned}}
}

func TestStandardWebhooksExample(t *testing.T) {
	t.Parallel()
	at := time.Unix(specTime, 0).UTC()
	got, err := Standard(0).Verify(specHeaders().get, []byte(specBody), []string{specSecret}, at)
	if err != nil || got.ID != specID || !got.At.Equal(at) {
		t.Errorf("got %+v, %v", got, err)
	}
	signed, err := Standard(0).Sign(specID, at, []byte(specBody), specSecret)
	if err != nil || asHeaders(signed)["webhook-signature"][0] != specSigned {
		t.Errorf("got %v, %v, want %s", signed, err, specSigned)
	}
}

func TestStandardWebhooksRules(t *testing.T) {
	t.Parallel()
	at, other := time.Unix(specTime, 0), "whsec_"+strings.Repeat("b3RoZXI4", 4)
	both, err := Standard(0).Sign(specID, at, []byte(specBody), other, specSecret)
	if err != nil {
		t.Fatal(err)
	}
	ok, h := []string{specSecret}, specHeaders()
	for name, c := range map[string]struct {
		h       headers
		secrets []string
		now     time.Time
		want    error
	}{
		"five minutes late":             {h, ok, at.Add(5 * time.Minute), nil},
		"later":                         {h, ok, at.Add(5*time.Minute + time.Second), ErrTimestamp},
		"five minutes early":            {h, ok, at.Add(-5 * time.Minute), nil},
		"earlier":                       {h, ok, at.Add(-5*time.Minute - time.Second), ErrTimestamp},
		"secret without its prefix":     {h, []string{strings.TrimPrefix(specSecret, SecretPrefix)}, at, nil},
		"a rotated secret":              {h, []string{other, specSecret}, at, nil},
		"one unusable secret":           {h, []string{"whsec_?", specSecret}, at, nil},
		"only unusable secrets":         {h, []string{"whsec_?", "whsec_c2hvcnQ="}, at, ErrSecret},
		"no secret":                     {h, nil, at, ErrSecret},
		"another secret":                {h, []string{other}, at, ErrSignature},
		"two signatures, the first":     {asHeaders(both), []string{other}, at, nil},
		"two signatures, the second":    {asHeaders(both), ok, at, nil},
		"an asymmetric one beside it":   {h.with("webhook-signature", "v1a,AAAA "+specSigned), ok, at, nil},
		"a bare signature":              {h.with("webhook-signature", strings.TrimPrefix(specSigned, "v1,")), ok, at, ErrSignature},
		"no signature":                  {h.with("webhook-signature"), ok, at, ErrHeaders},
		"an empty signature":            {h.with("webhook-signature", ""), ok, at, ErrHeaders},
		"the signature as two headers":  {h.with("webhook-signature", specSigned, specSigned), ok, at, ErrHeaders},
		"no id":                         {h.with("webhook-id"), ok, at, ErrHeaders},
		"no timestamp":                  {h.with("webhook-timestamp"), ok, at, ErrHeaders},
		"a timestamp that is no number": {h.with("webhook-timestamp", "now"), ok, at, ErrSignature},
		"an id that holds a dot":        {h.with("webhook-id", "a.b"), ok, at, ErrID},
		"an id that is too long":        {h.with("webhook-id", strings.Repeat("a", 256)), ok, at, ErrID},
	} {
		if _, err := Standard(0).Verify(c.h.get, []byte(specBody), c.secrets, c.now); err != c.want { //nolint:errorlint // exactly this one
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	// The 17th signature is not looked at.
	many := strings.Repeat("v1,AAAA ", maxSignatures) + specSigned
	if _, err := Standard(0).Verify(h.with("webhook-signature", many).get, []byte(specBody), ok, at); err != ErrSignature { //nolint:errorlint // exactly this one
		t.Errorf("got %v, want %v", err, ErrSignature)
	}
}

// A timestamp must be written the one way it is signed and read.
func TestTimestampsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	now := time.Unix(specTime, 0)
	for stamp, want := range map[string]bool{
		"1614265330": true, "01614265330": false, "+1614265330": false, "-1": false, "1614265330.0": false,
		"1614265330 ": false, "": false, "99999999999999999999": false, "1614265330000": false,
	} {
		if _, got := near(stamp, now, DefaultTolerance); got != want {
			t.Errorf("%q: got %v, want %v", stamp, got, want)
		}
	}
}

// GitHub's own example (docs.github.com, Validating webhook deliveries), and
// RFC 4231 and RFC 2202, test case 2, for the other two.
func TestHMACExamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config       Config
		secret, body string
		want         string
	}{
		{Config{Signature: "X-Hub-Signature-256", Prefix: "sha256="}, "It's a Secret to Everybody", "Hello, World!",
			"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		{Config{Signature: "S", Algorithm: SHA512}, "Jefe", "what do ya want for nothing?",
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
		{Config{Signature: "S", Algorithm: SHA1}, "Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		{Config{Signature: "S", Encoding: Base64}, "Jefe", "what do ya want for nothing?", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="},
	} {
		s, faults := New(c.config)
		if faults != nil {
			t.Fatal(faults)
		}
		got, err := s.Sign("", time.Time{}, []byte(c.body), c.secret)
		if err != nil || len(got) != 1 || got[0].Value != c.want {
			t.Errorf("got %v, %v, want %s", got, err, c.want)
		}
		h := headers{strings.ToLower(c.config.Signature): {c.want}}
		if _, err := s.Verify(h.get, []byte(c.body), []string{c.secret}, time.Time{}); err != nil {
			t.Errorf("%+v: %v", c.config, err)
		}
		upper := headers{strings.ToLower(c.config.Signature): {strings.ToUpper(c.want)}}
		if _, err := s.Verify(upper.get, []byte(c.body), []string{c.secret}, time.Time{}); err != ErrSignature { //nolint:errorlint // exactly this one
			t.Errorf("another spelling: got %v, want %v", err, ErrSignature)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config Config
		field  string
	}{
		"no header":             {Config{}, "Signature"},
		"no header's name":      {Config{Signature: "a b"}, "Signature"},
		"one header twice":      {Config{Signature: "X-S", ID: "x-s"}, "ID"},
		"algorithm":             {Config{Signature: "S", Algorithm: "md5"}, "Algorithm"},
		"encoding":              {Config{Signature: "S", Encoding: "base32"}, "Encoding"},
		"tolerance":             {Config{Signature: "S", Tolerance: time.Millisecond}, "Tolerance"},
		"prefix":                {Config{Signature: "S", Prefix: "a\n"}, "Prefix"},
		"id not named":          {Config{Signature: "S", Signed: "{id}.{body}"}, "ID"},
		"timestamp not named":   {Config{Signature: "S", Signed: "{timestamp}.{body}"}, "Timestamp"},
		"timestamp not signed":  {Config{Signature: "S", Timestamp: "T"}, "Signed"},
		"no body":               {Config{Signature: "S", ID: "I", Signed: "{id}"}, "Signed"},
		"body twice":            {Config{Signature: "S", Signed: "{body}.{body}"}, "Signed"},
		"placeholders together": {Config{Signature: "S", ID: "I", Signed: "{id}{body}"}, "Signed"},
		"unknown placeholder":   {Config{Signature: "S", Signed: "{url}.{body}"}, "Signed"},
	} {
		s, faults := New(c.config)
		if s != nil || len(faults) != 1 || faults[0].Field != c.field || faults[0].Detail == "" {
			t.Errorf("%s: got %v, %v, want one fault of %s", name, s, faults, c.field)
		}
	}
}

// TestEveryFlippedBitIsRefused changes each single bit of body, signature,
// timestamp and id in turn.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	t.Parallel()
	const seed = 7
	rnd := rand.New(rand.NewPCG(seed, seed))
	for name, s := range schemes(t) {
		for round := range 20 {
			secret := specSecret
			body := make([]byte, rnd.IntN(200))
			for i := range body {
				body[i] = byte(rnd.Uint32())
			}
			at := time.Unix(1_600_000_000+rnd.Int64N(1e9), 0)
			signed, err := s.Sign("msg_"+strconv.Itoa(round), at, body, secret)
			if err != nil {
				t.Fatal(err)
			}
			genuine := asHeaders(signed)
			if _, err := s.Verify(genuine.get, body, []string{secret}, at); err != nil {
				t.Fatalf("%s: the genuine message is refused: %v", name, err)
			}
			for bit := range 8 * len(body) {
				changed := flip(body, bit)
				if _, err := s.Verify(genuine.get, changed, []string{secret}, at); err == nil {
					t.Errorf("%s: bit %d of the body %x does not matter", name, bit, body)
				}
			}
			for header, value := range genuine {
				for bit := range 8 * len(value[0]) {
					changed := genuine.with(header, string(flip([]byte(value[0]), bit)))
					if _, err := s.Verify(changed.get, body, []string{secret}, at); err == nil {
						t.Errorf("%s: bit %d of %s: %s does not matter", name, bit, header, value[0])
					}
				}
			}
		}
	}
}

func flip(b []byte, bit int) []byte {
	out := bytes.Clone(b)
	out[bit/8] ^= 1 << (bit % 8)
	return out
}

func schemes(t testing.TB) map[string]*Scheme {
	t.Helper()
	out := map[string]*Scheme{"standard": Standard(0)}
	for name, c := range map[string]Config{
		"hmac hex":    {Signature: "X-S", ID: "X-I", Timestamp: "X-T", Prefix: "sha256=", Signed: "{id}.{timestamp}.{body}"},
		"hmac base64": {Signature: "X-S", ID: "X-I", Timestamp: "X-T", Encoding: Base64, Algorithm: SHA512, Signed: "v0:{timestamp}:{id}:{body}"},
		"hmac sha1":   {Signature: "X-S", Algorithm: SHA1},
	} {
		s, faults := New(c)
		if faults != nil {
			t.Fatal(faults)
		}
		out[name] = s
	}
	return out
}

// One signed text must not be two messages: what an id could borrow from its
// neighbour is refused on both sides.
func TestTextsCannotBeCutElsewhere(t *testing.T) {
	t.Parallel()
	s, at := schemes(t)["hmac hex"], time.Unix(100, 0)
	signed, err := s.Sign("a", at, []byte("100.b"), "k")
	if err != nil {
		t.Fatal(err)
	}
	shifted := asHeaders(signed).with("x-i", "a.100")
	if _, err := s.Verify(shifted.get, []byte("b"), []string{"k"}, at); err != ErrID { //nolint:errorlint // exactly this one
		t.Errorf("got %v, want %v", err, ErrID)
	}
	if _, err := s.Sign("a.100", at, nil, "k"); err != ErrID { //nolint:errorlint // exactly this one
		t.Errorf("got %v, want %v", err, ErrID)
	}
}

// Wherever the id stands in the pattern, bytes cannot move between it and the
// body: of all ways to cut one signed text at most one is genuine.
func TestEveryCutIsOneMessage(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000000000, 0)
	for _, pattern := range []string{"{id}.{body}", "{body}.{id}", "{id}..{body}", "{body}..{id}", "v0:{body}:{timestamp}:{id}!", "{timestamp}.{id}aba{body}", "{body}aba{id}.{timestamp}"} {
		c := Config{Signature: "X-S", ID: "X-I", Signed: pattern}
		if strings.Contains(pattern, "{timestamp}") {
			c.Timestamp = "X-T"
		}
		s, faults := New(c)
		if faults != nil {
			t.Fatal(pattern, faults)
		}
		genuine := map[string]string{} // signature → the message it is of
		for _, id := range cuts("ab.:", 3) {
			for _, body := range cuts("ab.:", 3) {
				signed, err := s.Sign(id, at, []byte(body), "k")
				if err != nil {
					continue // not a message of this scheme
				}
				signature, message := signed[len(signed)-1].Value, id+" | "+body
				if other, taken := genuine[signature]; taken {
					t.Errorf("%s: %q and %q have one signature", pattern, other, message)
				}
				genuine[signature] = message
			}
		}
		if len(genuine) < 100 {
			t.Errorf("%s: only %d messages could be signed", pattern, len(genuine))
		}
	}
}

// cuts are all texts of 1 to n of these letters.
func cuts(letters string, n int) (all []string) {
	last := []string{""}
	for range n {
		var next []string
		for _, s := range last {
			for _, l := range letters {
				next = append(next, s+string(l))
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"whsec_topsecret", "", "whsec_dG9wc2VjcmV0"} {
		_, err := Standard(0).Sign("id", time.Unix(1, 0), nil, secret)
		if err == nil || strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), "dG9w") {
			t.Errorf("%q: got %v", secret, err)
		}
	}
	if _, err := Standard(0).Sign("id", time.Unix(1, 0), nil); err != ErrSecret { //nolint:errorlint // exactly this one
		t.Errorf("got %v, want %v", err, ErrSecret)
	}
}

// FuzzVerify: whatever a sender sends is refused or genuine, and never a panic.
func FuzzVerify(f *testing.F) {
	f.Add(specID, strconv.Itoa(specTime), specSigned, []byte(specBody))
	f.Add("", "", "", []byte(nil))
	f.Add("a.b", "-1", "v1, v1,", []byte("{"))
	all := schemes(f)
	f.Fuzz(func(t *testing.T, id, stamp, signature string, body []byte) {
		for name, s := range all {
			h := headers{"webhook-id": {id}, "webhook-timestamp": {stamp}, "webhook-signature": {signature}, "x-i": {id}, "x-t": {stamp}, "x-s": {signature}}
			got, err := s.Verify(h.get, body, []string{specSecret}, time.Unix(specTime, 0))
			if err != nil {
				continue
			}
			again, err := s.Sign(id, got.At, body, specSecret)
			if err != nil || !strings.Contains(" "+signature+" ", " "+again[len(again)-1].Value+" ") {
				t.Errorf("%s: accepted what it would not sign: %q %q %q %q", name, id, stamp, signature, body)
			}
		}
	})
}

// FuzzPattern: a pattern is refused with a sentence, or can be signed with.
func FuzzPattern(f *testing.F) {
	f.Add("{id}.{timestamp}.{body}")
	f.Add("{body}")
	f.Add("{{body}}")
	f.Fuzz(func(t *testing.T, pattern string) {
		s, faults := New(Config{Signature: "s", ID: "i", Timestamp: "t", Signed: pattern})
		if s == nil {
			if len(faults) == 0 {
				t.Error("refused without a fault")
			}
			return
		}
		at := time.Unix(specTime, 0)
		signed, err := s.Sign("x", at, []byte("body"), "k")
		if err != nil {
			return // the pattern's own text is in the id
		}
		if _, err := s.Verify(asHeaders(signed).get, []byte("body"), []string{"k"}, at); err != nil {
			t.Errorf("%q: %v", pattern, err)
		}
	})
}
