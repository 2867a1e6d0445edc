// Package sqs is the queue port on Amazon SQS standard queues, one queue a lane.
//
// # Fair queues
//
// A message's group travels as its MessageGroupId, which standard queues take
// since July 2025 and read as "whose message this is": while one tenant has a
// backlog, the messages of the others are delivered first. It orders nothing.
// A group that SQS would refuse is sent as its hash.
//
// # Bodies
//
// SQS takes text only, and only the characters of XML. What Stepline sends is
// JSON and travels as it is; a body of other bytes travels compressed as
// base64 behind a mark, which Decode undoes (Decoded, where Lambda polls). Such
// a body may be too large for SQS where plain text of its size would not; Send
// says so.
//
// # Feeding
//
// On AWS Lambda polls the queues and this package only sends. Pump does for a
// worker process, against a stand-in or a queue of one's own, what Lambda does:
// batches, a batching window, partial failures, a time limit. What it does not
// acknowledge comes back by itself, and the queue's redrive policy counts.
package sqs
