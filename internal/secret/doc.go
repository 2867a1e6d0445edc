// Package secret finds secrets by name at the moment they are used.
//
// A document or a source names a secret and never holds it. The Resolver asks
// its Store, remembers the answer for a short time in memory, and that is all:
// a value is never stored, logged or part of an error. Errors name the secret
// and say where it would have to be put.
//
// A store that does not answer stops nothing that needs no new value, and nobody
// presses it: the value read last serves for some minutes, and a process asks
// once in two seconds. A store that answers is always believed, also where it
// says that the secret is gone.
//
// On one machine the store is the environment and an env file in the data
// folder (Env); on AWS it is the Parameter Store (package ssm).
package secret
