// Package sqlitefile is the one database file of the one-machine program: its
// lock, its single writer and its readers. The table's and the queue's drivers
// share it, and with it every commit.
//
// # One writer, group commit
//
// All writes go through one goroutine. It takes what waits (at most MaxLot),
// runs each operation inside one transaction, commits once with an fsync
// (synchronous=FULL), answers, gives those a turn, and takes the next lot. While
// the disk works on one commit the next lot gathers, so the number of writes
// per fsync follows the load by itself; an idle writer never waits for company.
//
// The order is first in, first out: an operation never becomes durable before
// one that was handed in earlier. Operations given to Later ride on the next
// commit that somebody waits for, or on one of their own a moment afterwards.
//
// # Failures
//
// An operation that refuses (a condition, say) has written nothing and spoils
// nobody else's. When SQLite itself fails, the whole lot is rolled back, what
// drivers have cached is dropped (OnRollback), and everyone in the lot hears
// ErrFull or ErrBusy if nothing can have been written, ErrUnknown if the commit
// failed in a way that leaves it open. The writer goes on: when there is space
// again, the next lot succeeds.
//
// Files that are deleted, moved or replaced while they are open would take
// writes on that no start will ever find. The writer looks before it begins a
// lot, though not again within 10 ms, and refuses with ErrLost while the folder
// holds other files; what it acknowledged since its last look is lost with them.
//
// # The file
//
// WAL mode; checkpoints are made beside the writer, which only does the short
// rest itself, so that commits do not stall. A lock file keeps a second process
// out. Everything is checked before SQLite gets to open a file for writing: a
// file that is no database, belongs to another program or has a newer format is
// refused and left as it is.
package sqlitefile
