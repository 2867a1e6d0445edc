// Package sqlite is the table port on the one-machine program's data file.
//
// An item is one row: its key, the attributes that the indexes and the expiry
// need as columns, and all attributes once more in one compact binary document.
// Rows have row ids on purpose: new items are appended to the last pages, so a
// commit of many steps writes few pages; keyed by (pk, sk) itself the same
// commits wrote twice the bytes.
//
// Conditions are evaluated by package table in Go, on the writer's goroutine,
// so they cannot differ from other drivers'. The decoded items of the recent
// writes are kept: the process owns the file, so most conditions need no read.
// The cache sees uncommitted state, is used by that goroutine only and is
// dropped when a lot is rolled back.
//
// Weak reads are as fresh as strong ones here, and the indexes do not lag;
// tabletest.Adversary shows callers what they may not rely on.
package sqlite
