// Package runner is the durable core: it starts executions, advances them under
// leases, records outcomes, and makes sure that something wakes each of them
// until it has ended. What to do next is package engine's to decide; package
// runner does it, and lives with a store whose answers get lost, a queue that
// doubles, delays and reorders, clocks that differ, and processes that die or
// freeze anywhere.
//
// # Model
//
// An execution is one item, META, and one item per step that has something to
// tell, STEP. Every change of state is one conditional write of one item; there
// are no transactions. A message is a hint that an execution may have something
// to do. It carries no state, so a message too many costs time and one too few
// is what all the rules below are about.
//
//   - A lease (`lu`, leaseUntil) is one invocation's right to advance an
//     execution. Each lease adds one to the epoch (`ep`), and the holder's status
//     writes (renew, release, finish) demand the epoch they were leased with. So
//     of any number of workers that think they hold it, one can change it.
//   - `mi` is the id of the message the holder works on, its token. Delivered
//     again it is told from the others: what it sends in its place counts as
//     sent under the present epoch.
//   - `ow` is a nonce of the last status write, made of the process's
//     incarnation and a number. A condition that fails on one's own nonce is
//     success: the write had been applied and its answer was lost.
//   - `nd` is when there is something to do next; nobody leases before.
//   - A signal (callback, cancel, pause, resume) writes its mark into META and
//     counts `sg` up. Releases and ends demand the count they have seen, so a
//     holder cannot let go of an execution without having seen each signal.
//   - `lo` is the last outcome, riding on the end instead of in a STEP of its
//     own: one write less for each execution. It overrides an absent or open
//     STEP for every reader. After a takeover it never rides: a late writer's
//     STEP could disagree with it.
//   - `qp`, `qk` put META into the sparse due index: what is due later than a
//     queue can delay, or is watched because a message might have been lost. An
//     end that failed stands in the same index as a dead letter, in the write
//     that ends it.
//
// A STEP's outcome is taken if there is none yet: first outcome wins. This needs
// no look at the lease, since status writes are fenced, `lo` does not ride after
// a takeover, and a holder begins a call only while its own clock gives its
// lease some seconds more. A true fence would make each checkpoint a
// transaction of four units instead of one.
//
// # States
//
//	from               by               to
//	(nothing)          START            queued
//	queued, waiting    LEASE            running, if free and due
//	paused             LEASE            running, past its deadline only
//	running            RELEASE          waiting, paused, or queued (a hand-over, a
//	                                    delayed start)
//	running            FINISH           succeeded, failed, cancelled, timed_out
//	running            takeover         running, if its lease has expired; the third
//	                                    time without progress an end, and nothing runs
//	paused             cancel, resume   waiting
//	an end             RETRY            queued, as the next run
//
// A held lease and `running` are the same thing. Waiting has a due (retry, timer,
// callback, deadline); paused has only the deadline and what an operator does. A
// terminal status is never overwritten; a retry appends a run with records of
// its own. An expired lease is taken over on the solo lane, one execution per
// invocation, so that a poisoned one kills only itself; `cr` counts lives
// without a new outcome or a release, and past the fourth it ends as crashed;
// one whose holder only found the store too busy does not count. What may
// have been called when the holder died is called again with the same key, or
// waits for an operator's word where the step says `idempotent: false`.
//
// # Who wakes it
//
// Each rule is there because leaving it out gets executions stuck; the test of
// the case shows it (cases_*_test.go, and planted bugs in package sim).
//
//	a message that meets …             does
//	a live lease                       leaves a guard, due after the lease (1): the
//	                                   holder may die, and this message be the last
//	an expired lease, on a shared lane sends to solo, writes nothing (8)
//	an expired lease, on solo          takes over, or ends what died too often (8)
//	an execution that is due later     waits two seconds at most; else sends itself
//	                                   again to the due (2, 14), unless the due index
//	                                   has it or it is three epochs old: so extra
//	                                   messages die out and a responsible one never
//	                                   does (11)
//	an end, nothing, a pause           is done
//
//	RELEASE  writes first, then sends what wakes it again: sent first, a message
//	         could meet the old lease and be gone (2). It sends whenever the due is
//	         within a queue's reach, not only where a timer is new (3). It fails on
//	         a signal it has not seen (6, 16). Its answer lost for good, it sends as
//	         if it were written, and a guard as if it were not (15).
//	FINISH   is fenced alike; a cancel that was accepted wins (7). What it could
//	         not end it leaves to the message, which comes back (5).
//	SIGNAL   stores its body, then its mark, then sends; whoever delivers it again
//	         does what is missing (6). Cancel, pause and resume carry the status
//	         they saw: a cancel prepared on `running` must not fall asleep in
//	         `paused` (16).
//	START    is a pure function of the key's record and the body, so any replay
//	         can finish what a dead starter began; one of them sends (10). An id
//	         that the sweep may have passed comes with a due entry (10, 14).
//	RETRY    closes the run, then opens the next with a due entry, then sends (12);
//	         the first lease copies the outcomes it keeps (13, 17).
//	SWEEP    each minute: due entries become messages, starts of three minutes ago
//	         that are open get an entry. It writes an entry only if run, entry and
//	         due are as it saw them and the execution is open (12). While messages
//	         wait in a lane, nothing is sent for a second time (11).
//	TASK     of Step Functions: an end is announced to its due entry before it is
//	         written, so that the sweep finds an end of which the task has not been
//	         told; the worker that wrote it tells it at once. The sweep looks for
//	         due tasks beside everything else: no backlog delays a sign of life.
//	DEAD     a message that came back too often is not the execution's fault: the
//	         sweep sends for it later, at growing intervals (9). Only what has
//	         crashed repeatedly ends (8, 12).
//
// # Failures
//
// Busy stores and queues and lost answers are tried again a few times within
// half a second; then the message is reported failed and comes back. A store that cannot even
// be read under a new lease is no crash: the lease is given back, for 5 s at
// first and longer each time. A write that a living holder cannot make ends the
// work under this lease, and counts as no crash either. A
// panic below a call fails its step; anywhere else it fails its message. The
// solo lane's lease is renewed while it is held; a renewal that fails stops all
// further calls. Before the lease's end every call's context ends; a definite
// answer that came just before counts.
//
// # What callers may rely on
//
//   - Start answers nil only when the execution is stored; it will end or be
//     visible as waiting for something with a name and a time, whoever dies. The
//     same key starts one execution, for a day from its creation, or from the
//     time it was delayed to.
//   - After Cancel answers nil the execution does not succeed. Pause and Resume
//     are seen by another process's holder within about two seconds; a call
//     under way is not cut by a pause.
//   - Callback answers nil when the payload is stored and will be used, unless
//     the run ends first. The first payload counts. A repeated delivery is
//     answered alike until the step has its outcome, then with Conflict.
//   - A task that a start brought is told the first run's end, at least once and
//     always the same, unless nobody waits for it any more.
//   - Each call carries a stable key, so effects are at least once with
//     something to tell repetitions by.
//   - Handle and DeadLetter return the messages that must come back and nothing
//     else; everything they return nil for needs no redelivery. Both, and Sweep,
//     may run any number of times at once, on any number of processes.
//   - The store may lag, repeat and lose answers, and serve stale reads wherever
//     strong ones are not asked for. It must be right about conditions.
package runner
