// Package runner is the durable core.
package runner
