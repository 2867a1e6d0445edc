// Package proof holds the promises that only whole processes can show: the
// built program is driven over HTTP, killed with SIGKILL, watched by strace,
// and started again on what it left behind. Its tests are the package.
package proof
