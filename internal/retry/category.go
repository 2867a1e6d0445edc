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
	RateLimited Category = "rate_limited" // 429, and 503 with Retry-After
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
