package step

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"syscall"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// name says which call it was: method and host, nothing that could be secret.
func (r *request) name() string { return r.method + " " + r.url.Host }

// failure is the error of a request that got no answer. sent: a part of it may
// have reached the destination.
//
// The texts of net/http's errors are never passed on: they can quote what the
// other side sent.
func failure(ctx context.Context, req *request, err error, sent bool) *Error {
	if e := ended(ctx, req, err); e != nil {
		e.Unclear = sent
		return e
	}
	if errors.Is(err, errRefused) {
		return &Error{Category: retry.Validation, Code: "address_refused", Message: req.name() + ": this address must not be called from here"}
	}
	code, why := explain(err, sent)
	return &Error{Category: retry.Network, Code: code, Message: req.name() + ": " + why, Unclear: sent}
}

// brokenAnswer is the error of an answer that began well and could not be used.
// The request was received, so its effect may have happened.
func brokenAnswer(ctx context.Context, req *request, err error) *Error {
	e := &Error{Category: retry.Validation, Unclear: true}
	var beyond *expr.Error
	switch {
	case errors.Is(err, errTooLarge):
		e.Code, e.Message = "answer_too_large", " gave an answer over 16 MiB; its effect may have happened"
	case errors.Is(err, errNotJSON) && errors.As(err, &beyond):
		e.Code, e.Message = "answer_not_json", " gave an answer in JSON that cannot be read here, "+beyond.Message+"; its effect may have happened"
	case errors.Is(err, errNotJSON):
		e.Code, e.Message = "answer_not_json", " gave an answer that is not the JSON it claims to be; its effect may have happened"
	case errors.Is(err, errNotGzip):
		e.Code, e.Message = "answer_not_gzip", " gave an answer that is not the gzip it claims to be; its effect may have happened"
	case errors.Is(err, errCoding):
		e.Code, e.Message = "answer_encoding", " gave an answer compressed in another way than gzip, which is all that is read here; its effect may have happened"
	default:
		if e := ended(ctx, req, err); e != nil {
			e.Unclear = true
			return e
		}
		e.Category, e.Code, e.Message = retry.Network, "closed", ": the connection broke in the middle of the answer"
	}
	e.Message = req.name() + e.Message
	return e
}

// ended is the error of a call whose context ended, nil for any other.
func ended(ctx context.Context, req *request, err error) *Error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &Error{Category: retry.Cancelled, Code: "cancelled", Message: req.name() + ": the call was cancelled"}
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		return &Error{Category: retry.Timeout, Code: "timeout", Message: req.name() + ": no answer in time"}
	}
	return nil
}

// explain finds the code and the sentence for what went wrong on the way.
func explain(err error, sent bool) (code, why string) {
	var (
		dns *net.DNSError
		nt  net.Error
	)
	if why := explainTLS(err); why != "" {
		return "tls", why
	}
	switch {
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return "dns", "there is no host of this name"
		}
		return "dns", "the host's name could not be looked up"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused", "the connection was refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable", "the host cannot be reached"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset", "the connection was reset before an answer came"
	case errors.As(err, &nt) && nt.Timeout():
		return "connect_timeout", "no connection within 10 s"
	case !sent:
		return "connect", "no connection could be made"
	}
	return "closed", "the connection ended before a readable answer came"
}

// explainTLS is "" for an error that is not about TLS.
func explainTLS(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return "its certificate is signed by an authority that is not trusted here"
	case errors.As(err, &name):
		return "its certificate is for another host name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet"
	case errors.As(err, &verify):
		return "its certificate is not valid"
	case errors.As(err, &record):
		return "it does not speak TLS; the url may have to start with http://"
	case errors.As(err, &op) && op.Op == "remote error": // the name crypto/tls gives an alert
		return "the TLS handshake failed"
	}
	return ""
}
