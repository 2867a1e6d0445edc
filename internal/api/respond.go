package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
)

// locate names the call that shows what the answer is about.
func (a *API) locate(w http.ResponseWriter, operation string, params ...string) {
	if path := a.links.to(operation, params...); path != "" {
		w.Header().Set("Location", path)
	}
}

// respond answers a value as JSON.
func respond(w http.ResponseWriter, status int, v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	send(w, status, b)
	return nil
}

func send(w http.ResponseWriter, status int, b []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the caller may have gone
}

// respondTagged answers 200 with a strong ETag, which is a hash of the content,
// or 304 to a caller who has it already.
func respondTagged(w http.ResponseWriter, r *http.Request, v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	w.Header().Set("Etag", tag)
	w.Header().Set("Cache-Control", "no-cache") // ask each time, with the tag
	if tagMatches(r.Header, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	send(w, http.StatusOK, b)
	return nil
}
