package aws

import (
	"runtime/debug"
	"strconv"
)

// share is how much of a function's memory, in percent, the program may fill
// before it collects garbage whatever that costs. The rest is for what the
// runtime does not count.
const share = 85

// LimitMemory keeps the program within what Lambda gives its function
// (AWS_LAMBDA_FUNCTION_MEMORY_SIZE). Left to itself the collector lets a heap
// double before it runs, and Lambda ends a process that takes too much. Without
// that variable, or with a GOMEMLIMIT, nothing is changed.
func LimitMemory(getenv func(string) string) {
	if limit := memoryLimit(getenv); limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}

// memoryLimit is the limit in bytes, 0 for none.
func memoryLimit(getenv func(string) string) int64 {
	mb, err := strconv.ParseInt(getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 32)
	if err != nil || getenv("GOMEMLIMIT") != "" {
		return 0
	}
	return mb << 20 * share / 100
}
