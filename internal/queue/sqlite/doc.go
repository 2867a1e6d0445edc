// Package sqlite is the queue port on the one-machine program's data file.
//
// Messages are durable before Send returns; who may receive what, and when, is
// kept in memory. Each lane has a list of visible messages and a heap of hidden
// ones (delayed, or in flight until their visibility ends) by the time they
// become visible, with one timer for the earliest. So nobody polls: a handler
// starts from the commit of the message, from the timer, or from the end of
// another handler.
//
// # Slots
//
// A batch is what shares an invocation, not what shares a fate: each delivery
// that its handler reports (queue.Delivery's Done) is acknowledged and frees its
// slot there and then, and the next message begins in an invocation beside the
// one that still works. So one slow call of a batch of ten keeps one slot.
// Lanes can share slots; a message stays in its lane until there is one for it.
//
// # What a crash finds
//
// A receive is counted in the file, an acknowledgement deletes the row; nobody
// waits for either. Both are handed to the file's writer, which keeps the order
// in which it is handed operations: the receive is handed over before the
// handler starts, so nothing durable that the handler does can precede it, and
// a message that kills the process is counted. An acknowledgement lost in a
// crash means another delivery, which the port allows. When the file is opened
// every message that was in flight is visible at once, its receives kept.
//
// # Differences from SQS
//
// Counts are exact, messages of a lane are received in the order in which they
// became visible, and Message.Group has no effect: one process serves all.
package sqlite
