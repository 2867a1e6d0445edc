// Package workflow is the document: parsing, validation, the DAG and the
// published JSON Schema. It does no I/O and reads no clock.
//
// Parse reports every fault at once, each with the place (a JSON pointer) and a
// sentence that says what would be right, so that a document is mended in one
// go. One table of fields (fields.go) drives the parser and the schema. What the
// design names and this version does not build is refused as "not supported by
// this version": nothing in a document is ever ignored.
//
// A parsed Document holds its expressions compiled. Source is the document in
// canonical JSON: documents that mean the same give the same bytes, whether
// they were written in YAML or JSON.
package workflow
