// Package registry keeps the workflows and the sources of each tenant. A
// workflow has versions, which never change, and a head for its name, which says
// which version is live.
//
// Two records per workflow. The head ("<tenant>#w", name) holds live, latest and
// hidden. A version ("<tenant>#w#<name>", "v000001") holds the document as
// canonical JSON, packed. A new version and the head that makes it live are one
// transaction: whoever reads sees both or neither, two writers never get the
// same number, and a crash leaves nothing half done. A version exists exactly
// when its number is at most the head's latest.
//
// A source is one record ("<tenant>#src", name): only its present document
// matters, since an event's record freezes what it has started.
//
// Starting an execution reads a document a thousand times a second, so parsed
// documents are kept (they cannot change) and the live pointer is kept for
// LiveFor. A change made through this Registry counts at once; one made by
// another process counts here after LiveFor at the latest.
//
// Before a tenant's first workflow the record ("~tenants", tenant) is written:
// it is how the sweeper and the history find the tenant's shards. It is put
// first, so that no execution can exist of which the sweeper does not know.
package registry
