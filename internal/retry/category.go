package retry

// Category classifies a failure, for machines: it decides whether a call is
// retried and how failures are grouped.
type Category string

// The error categories.
const (
	Validation  Category = "validation"   // the request or the answer is wrong in itself
	Auth        Category = "auth"         // 401, 403, a missing secret
	NotFound    Category = "not_found"    // 404, 410
	Conflict    Category = "conflict"     // 409, 412
	RateLimited Category = "rate_limited" // 429
	Timeout     Category = "timeout"      // no answer in time, 408, 504
	Network     Category = "network"      // no connection, reset, DNS
	Upstream    Category = "upstream"     // other 5xx
	ClientError Category = "client_error" // other 4xx
	CircuitOpen Category = "circuit_open" // not called: the breaker is open
	Unknown     Category = "unknown"      // the effect may or may not have happened
	Cancelled   Category = "cancelled"
	Crashed     Category = "crashed" // the workers running it died repeatedly
	Internal    Category = "internal"
)

// Categories lists every category.
var Categories = []Category{
	Validation, Auth, NotFound, Conflict, RateLimited, Timeout, Network, Upstream,
	ClientError, CircuitOpen, Unknown, Cancelled, Crashed, Internal,
}

// Retried is the category's default: whether the same call may well succeed
// later. Unknown is not retried by itself, because the effect may have
// happened.
func (c Category) Retried() bool {
	switch c {
	case RateLimited, Timeout, Network, Upstream, CircuitOpen:
		return true
	}
	return false
}

// FromHTTP is the category of an HTTP status (RFC 9110, RFC 6585) that is no
// success.
func FromHTTP(status int) Category {
	switch status {
	case 401, 403, 407:
		return Auth
	case 404, 410:
		return NotFound
	case 409, 412:
		return Conflict
	case 429:
		return RateLimited
	case 408, 504:
		return Timeout
	}
	if status >= 500 {
		return Upstream
	}
	return ClientError
}
