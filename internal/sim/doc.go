// Package sim is a deterministic simulation of Stepline's core: the real
// engine, runner, sweeper and dead-letter return over a simulated table, queue,
// network and clocks, where a seed decides everything. It holds tests only.
//
// One seed is one world inside testing/synctest, so its hours pass in
// milliseconds. Every call of a port first sleeps a virtual time that is a hash
// of the seed, the instant and what is asked for, never of a shared sequence of
// random numbers, and no two sleeps end at the same nanosecond. So the order of
// events is the seed's and not the Go scheduler's: a seed run twice gives the
// same trace (TestSameSeedSameTrace).
//
//	client ─▶ runner (api) ─┐          ┌─▶ simulated table: stale reads, lagging
//	cron   ─▶ runner (sweep)├─ ports ──┤     indexes, busy, lost replies
//	queue  ─▶ runner (work) │  faults  ├─▶ simulated queue: duplicates, delays,
//	   ▲                    ┘          │     losses that come back
//	   └───────────────────────────────┴─▶ simulated destinations, Step Functions
//
// A process is one Runner with its own incarnation and skewed clock. It dies
// before or after any write, send or call, or freezes and thaws later, when its
// writes still arrive. Of a dead process nothing comes any more: its calls wait
// for the end of the world.
//
// The world sees every write as it is applied and every call as it begins, and
// checks the promises of DESIGN 3 there and then (invariants_*_test.go). When
// the faults are over everything must come to its end, and the outcomes are
// compared with an oracle that only knows the plans (oracle_test.go).
//
// How live messages are counted: a message counts from the moment it is
// stored until it is deleted, delayed, in flight and dead lane included, once
// for its id however often it is delivered. At most four per execution may
// live. One more is allowed, for as long as a message can linger, for each that
// the world doubled or left standing (a send without answer, a delivery lost or
// doubled, a process that died or a delivery that failed with the message in
// hand) and each that an API request asked for (signals, replays, retries).
package sim
