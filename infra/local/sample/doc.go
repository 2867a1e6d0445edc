// Package sample is what `make run` shows: two workflow documents and a small
// shop on loopback that they call. The shop misbehaves on purpose: each payment
// is refused twice before it goes through.
package sample
