// Package app is the composition root: ports become services, services become
// the handlers of the functions, by name.
//
// It knows no driver. What a port is made of is decided one step further out,
// in package app/local for one machine, so that a function's binary carries
// only the drivers it uses.
package app
