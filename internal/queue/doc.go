// Package queue is the port through which executions are woken, shaped like
// Amazon SQS standard queues.
//
// A message is a hint, never a fact (PROTOCOL: losing, doubling, delaying or
// reordering messages may cost time, never correctness). Delivery is at least
// once and unordered. A received message is invisible for its lane's
// visibility timeout and comes back unless it is acknowledged; after the
// lane's maximum of receives it moves to the dead-letter lane.
//
// A handler gets a batch and answers it as a whole, since on Lambda there is one
// answer for an invocation. Where the pump lives in the same process it also
// takes the report of each delivery as it ends, by Delivery's Done.
package queue
