// Command bench measures Stepline on one machine, beside what the machine can
// do at most: `make bench`.
//
// # What is measured
//
// The engine is the one-machine program's composition, in a process of its
// own, on a data folder of its own. Clients drive it as users do, over HTTP on
// loopback: each starts an execution with "Prefer: wait" and has its end in the
// answer, then starts the next. One client alone gives the idle latency, many
// give the throughput. CPU is the engine's process alone, clients and the
// called service are not in it.
//
// Beside it, in a process of its own too, the bare loop: the same HTTP client
// makes the same calls, and the same store makes as many commits one after the
// other as the engine does, each of one item, with nothing in between and no
// server in front. Whoever makes these calls and is to lose none of their outcomes cannot
// be faster. The calls alone and the raw rate of fsync show what holds the bare
// loop.
//
// Apart from these, a hundred senders deliver signed events to an engine's
// webhook address, at a pace and without one, and wait for the acknowledgement
// only. What the events start is worked on meanwhile by the same two processors.
//
// # How to read it
//
// Figures move from machine to machine and on a shared machine from minute to
// minute; the ratio of engine to bare loop moves much less. So the two take
// turns, a second or two each, and a slow moment meets both.
//
// The commits of the bare loop are not a guess: the engine's own are counted
// while one client runs, and stand in the table.
package main
