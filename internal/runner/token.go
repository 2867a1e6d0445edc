package runner

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// A callback token is base64url(version, tenant, execution, run, step) "."
// base64url(HMAC-SHA-256 of that). It is computed, not stored: nothing has to
// be written before it is given away.
const tokenVersion = "1"

// errToken answers every token that is not ours in the same words.
var errToken = problem.New(problem.NotFound, "this callback address is not known")

// link is the token and the address of a step's callback.
func (r *Runner) link(m *record.Meta, step string) (token, url string) {
	token = sign(r.cfg.Keys[0], m.Tenant, m.ID, m.Run, step)
	return token, r.cfg.PublicURL + "/-/callbacks/" + token
}

// CallbackURL is the address that completes a waiting callback step.
func (r *Runner) CallbackURL(m *record.Meta, step string) string {
	_, url := r.link(m, step)
	return url
}

func sign(key []byte, tenant, id string, run int, step string) string {
	body := base64.RawURLEncoding.EncodeToString([]byte(strings.Join([]string{tokenVersion, tenant, id, strconv.Itoa(run), step}, "\x00")))
	return body + "." + mac(key, body)
}

func mac(key []byte, body string) string {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(body)) // never fails
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// target is what a token stands for.
type target struct {
	tenant, id, step string
	run              int
}

// verify reads a token that one of the keys has signed.
func (r *Runner) verify(token string) (target, error) {
	body, given, ok := strings.Cut(token, ".")
	if !ok {
		return target{}, errToken
	}
	genuine := false
	for _, key := range r.cfg.Keys {
		genuine = hmac.Equal([]byte(mac(key, body)), []byte(given)) || genuine
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	parts := strings.Split(string(raw), "\x00")
	if !genuine || err != nil || len(parts) != 5 || parts[0] != tokenVersion {
		return target{}, errToken
	}
	run, err := strconv.Atoi(parts[3])
	if err != nil {
		return target{}, errToken
	}
	return target{tenant: parts[1], id: parts[2], run: run, step: parts[4]}, nil
}
