// Package table is Stepline's one storage port, shaped like DynamoDB.
//
// Every feature is written once over one single-table layout (see package
// record) and runs on DynamoDB or on the embedded SQLite file. The port keeps
// what makes DynamoDB safe and cheap and nothing else: items under a partition
// and a sort key, single-item writes that carry their own condition, strong and
// weak reads, and two sparse indexes that lag.
//
// Compare-and-set is part of the signature: a write without a condition is
// refused, so a write that could be lost does not compile into anything that
// runs. A condition that fails is an answer, not a fault of the store: it
// comes back as *ConditionFailed with the item as it stood.
//
// Conformance: package tabletest holds the suite every driver runs, and
// tabletest.Adversary, which wraps a driver in every misbehaviour that the real
// store is allowed to show.
package table
