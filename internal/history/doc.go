// Package history shows executions: one with all its steps, and lists of many.
//
// A list reads the index Hist, whose entries are written once at the start and
// sort by the execution's id, which begins with its creation time. The entries
// say which executions exist; their state is read from each META, so a list is
// never wrong about a status, at most late about a new execution. A tenant's
// entries are spread over shards, which are merged, newest first.
//
// A page does a bounded amount of work (MaxExamined entries). A filter that
// matches seldom therefore may answer a page that is not full, or empty, with a
// cursor that goes on; only a page without a cursor is the last one. A cursor
// names the last entry looked at, so nothing is skipped or repeated when new
// executions start in between.
package history
