package step

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/seed-926d1ba8/stepline/internal/retry"
	"github.com/seed-926d1ba8/stepline/internal/secret"
)

// prove authenticates and signs the request, which is otherwise complete.
func (h *HTTP) prove(ctx context.Context, r *request, c Call) *Error {
	if c.Auth != nil {
		value, fault := h.secret(ctx, c.Auth.Secret)
		if fault == nil {
			fault = r.authenticate(c.Auth, value)
		}
		if fault != nil {
			return fault
		}
	}
	if c.Sign == nil {
		return nil
	}
	value, fault := h.secret(ctx, c.Sign.Secret)
	if fault != nil {
		return fault
	}
	if h.now == nil {
		return &Error{Category: retry.Internal, Code: "clock", Message: "nothing can be signed without a clock"}
	}
	headers, err := c.Sign.Scheme.Sign(c.Key, h.now(), r.body, value)
	if err != nil {
		return unusable(c.Sign.Secret, err.Error())
	}
	for _, header := range headers {
		if fault := r.addProof("sign", header.Name, header.Value); fault != nil {
			return fault
		}
	}
	return nil
}

// secret finds the value of a secret. A missing one is not retried by itself; a
// store that does not answer is trouble that passes.
func (h *HTTP) secret(ctx context.Context, name string) (string, *Error) {
	if h.secrets == nil {
		return "", &Error{Category: retry.Auth, Code: "secret_missing", Message: "there are no secrets here, so not " + name}
	}
	value, err := h.secrets.Resolve(ctx, name)
	var missing *secret.MissingError
	switch {
	case err == nil && validValue(value):
		return value, nil
	case err == nil:
		return "", unusable(name, "the secret holds a line end or another control character")
	case errors.As(err, &missing):
		return "", &Error{Category: retry.Auth, Code: "secret_missing", Message: err.Error()}
	case errors.Is(ctx.Err(), context.Canceled):
		return "", &Error{Category: retry.Cancelled, Code: "cancelled", Message: "the call was cancelled before it was made"}
	}
	return "", &Error{Category: retry.Network, Code: "secret_unavailable", Message: "the secret " + name + " cannot be read at the moment"}
}

// unusable is the error of a secret of the wrong form; why does not hold it.
func unusable(name, why string) *Error {
	return &Error{Category: retry.Auth, Code: "secret_unusable", Message: "the secret " + name + " cannot be used: " + why}
}

func (r *request) authenticate(a *Auth, value string) *Error {
	switch a.Kind {
	case "bearer":
		return r.addProof("auth", "Authorization", "Bearer "+value)
	case "basic":
		return r.addProof("auth", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.User+":"+value)))
	case "header":
		return r.addProof("auth", a.Header, value)
	}
	return &Error{Category: retry.Internal, Code: "request", Message: "an unknown kind of auth"}
}

// addProof sets a header that the document must not set itself, nor may it
// belong to the connection.
func (r *request) addProof(what, name, value string) *Error {
	canonical := http.CanonicalHeaderKey(name)
	if why := refused[canonical]; why != "" {
		return invalid("%s cannot set the header %s: %s", what, canonical, why)
	}
	if _, there := r.header[canonical]; there {
		return invalid("the header %s is set by %s; the document must not set it", canonical, what)
	}
	r.header[canonical] = []string{value}
	r.proof = append(r.proof, canonical)
	return nil
}
