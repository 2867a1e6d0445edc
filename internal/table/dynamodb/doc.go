// Package dynamodb is the table port on Amazon DynamoDB.
//
// A port's Cond becomes a condition expression, so compare-and-set happens in
// the store, and a condition that fails brings the old image with it. Every
// changing call asks for the old image too, and the new one is computed from
// it by package table: with both at hand the units by DynamoDB's size rules can
// be compared with the units that DynamoDB says it consumed, for every write
// that is made anywhere.
//
// # What is written and what perhaps is
//
// The SDK repeats calls that were throttled, met a 5xx or a broken connection.
// That is safe: a writer finds its own nonce in the old image when an earlier
// try had been applied (package runner). But the error of the last try does not
// tell what became of the first, so every try is looked at: once one of them
// may have been applied, a call that fails in the end is ErrUnknown, whatever
// its last error was. ErrBusy is answered only where no try can have been.
//
// A try gets half of the time that the caller's context has left, and three
// seconds at most: a connection that went silent must not eat an invocation.
//
// # Differences from the port's ideal
//
// A lone Check is a strong read. A failed transaction names the old images of
// failed conditions only; the units of the others are read where somebody
// counts. DynamoDB keeps one set of tokens for all tables of an account, of 36
// characters at most: they travel hashed together with the table's name.
// Entries of the due index with one time come in no particular order.
package dynamodb
