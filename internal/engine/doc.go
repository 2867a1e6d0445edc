// Package engine decides what an execution does next: (document, state, now) →
// plan. It is pure: no I/O, no clock, no goroutine, no randomness of its own.
//
// A Machine is built from the records of one run. Steps with a STEP record
// have what it says; pure steps (transforms, conditions) are evaluated anew
// from the outputs upstream, which are final, so every worker at any time
// computes the same. Decide then names the calls to make, the records to write
// first, the end if it has come, or the time to wait for.
//
//	needs open ─▶ pending ─ready─▶ call ─┬─ succeeded ─▶ dependents
//	                 │                   ├─ open (retry, timer, callback, unknown)
//	                 └─ when: false ─▶ skipped
//	                                     └─ failed ─▶ nothing new starts, the end
//
// The engine never starts anything itself; package runner does, under a lease.
package engine
