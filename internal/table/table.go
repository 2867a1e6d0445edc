package table

import (
	"context"
	"errors"
	"fmt"
)

// Table is the port. Implementations are safe for concurrent use.
//
// Every method meters the units it uses on the Meter of its context.
type Table interface {
	// Get returns those of keys that exist, in no particular order; an absent
	// item is simply missing. At most MaxGet keys. Weak reads may be stale.
	Get(ctx context.Context, keys []Key, strong bool) ([]Item, error)
	// Query returns one page in key order. A page may be empty and still have
	// a Next cursor.
	Query(ctx context.Context, q Query) (Page, error)
	// Write applies one write and returns the item's new image (nil after a
	// Delete or a Check). A condition that does not hold is *ConditionFailed.
	Write(ctx context.Context, w Write) (Attrs, error)
	// Transact applies all of at most MaxTransact writes or none. The same
	// token within ten minutes applies once. Never on a step's path: it costs
	// double.
	Transact(ctx context.Context, token string, ws []Write) error
}

// Limits of the port, the smaller of what its drivers can do.
const (
	MaxGet      = 100
	MaxTransact = 25
	// MaxItem is the largest item in bytes, by ItemSize. DynamoDB's limit is
	// 400 KB (service quotas); larger items answer ErrTooLarge.
	MaxItem = 400 << 10
)

// Errors of the port, to be matched with errors.Is.
var (
	// ErrBusy: the store refused for now (a throttle); nothing was written.
	ErrBusy = errors.New("table: busy, nothing was written")
	// ErrUnknown: the reply was lost; the write may or may not be applied.
	ErrUnknown = errors.New("table: no answer, the write may have been applied")
	// ErrTooLarge: the item would exceed MaxItem; nothing was written.
	ErrTooLarge = errors.New("table: item exceeds 400 KB")
	// ErrFull: the store has no space; nothing was written. It wraps ErrBusy,
	// because the work goes on when there is space again.
	ErrFull = fmt.Errorf("%w: no space left", ErrBusy)
)

// ConditionFailed answers a write whose condition did not hold.
type ConditionFailed struct {
	// Old is the item as it stood, nil when it was absent.
	Old Attrs
}

func (*ConditionFailed) Error() string { return "table: condition not met" }

// Failed reports whether err says that a condition did not hold, and the item
// as it stood (nil when it was absent).
func Failed(err error) (old Attrs, failed bool) {
	var c *ConditionFailed
	if errors.As(err, &c) {
		return c.Old, true
	}
	return nil, false
}

// Key names an item: partition key and sort key, both non-empty.
type Key struct{ PK, SK string }

// Kind says which type a Value holds.
type Kind uint8

// The kinds of a Value. The zero Value holds nothing and is refused in writes.
const (
	KindNone Kind = iota
	KindString
	KindInt
	KindBytes
)

// Value is one attribute: a string, an int64 or bytes. Values are immutable
// and comparable with ==.
type Value struct {
	str  string // the string, or the bytes
	num  int64
	kind Kind
}

// String makes a string value.
func String(s string) Value { return Value{kind: KindString, str: s} }

// Int makes a number.
func Int(n int64) Value { return Value{kind: KindInt, num: n} }

// Bytes makes a binary value; b is copied.
func Bytes(b []byte) Value { return Value{kind: KindBytes, str: string(b)} }

// BytesOf makes a binary value of the bytes of s, without a copy.
func BytesOf(s string) Value { return Value{kind: KindBytes, str: s} }

// Kind says which type v holds.
func (v Value) Kind() Kind { return v.kind }

// Str is the string, "" for other kinds.
func (v Value) Str() string {
	if v.kind != KindString {
		return ""
	}
	return v.str
}

// Int is the number, 0 for other kinds.
func (v Value) Int() int64 { return v.num }

// Bytes is a copy of the bytes, nil for other kinds.
func (v Value) Bytes() []byte {
	if v.kind != KindBytes {
		return nil
	}
	return []byte(v.str)
}

// Raw is the bytes of a string or binary value without a copy.
func (v Value) Raw() string { return v.str }

// Attrs are an item's attributes besides its key.
type Attrs map[string]Value

// Item is a stored item.
type Item struct {
	Key
	Attrs Attrs
}

// Op compares an attribute with a value. An absent attribute satisfies Absent
// and Ne only; values of different kinds satisfy Ne only.
type Op uint8

// The comparisons a Test can make. Bytes and strings compare bytewise.
const (
	Absent Op = iota + 1
	Present
	Eq
	Ne
	Lt
	Le
	Gt
	Ge
)

// Test is one comparison. Attr SKAttr ("sk") tests whether the item itself
// exists: it is absent exactly when the item is.
type Test struct {
	Attr  string
	Op    Op
	Value Value
}

// SKAttr is the attribute name that stands for the item's existence in a Test.
const SKAttr = "sk"

// Cond is an OR of ANDs. Nil is refused by every driver: an unconditional
// write says Always.
type Cond [][]Test

// Always is the condition that holds for every item, absent ones included.
func Always() Cond { return Cond{{}} }

// IfAbsent holds when the item does not exist.
func IfAbsent() Cond { return All(Test{Attr: SKAttr, Op: Absent}) }

// IfPresent holds when the item exists.
func IfPresent() Cond { return All(Test{Attr: SKAttr, Op: Present}) }

// All holds when every test does.
func All(tests ...Test) Cond { return Cond{tests} }

// WriteKind says what a Write does.
type WriteKind uint8

const (
	// Put replaces the whole item with Set.
	Put WriteKind = iota + 1
	// Update changes the attributes in Set, Add and Remove, and creates the
	// item when it is absent.
	Update
	// Delete removes the item.
	Delete
	// Check only tests the condition (in Transact).
	Check
)

// Write is one conditional write of one item.
type Write struct {
	Key    Key
	Kind   WriteKind
	Set    Attrs
	Add    map[string]int64 // to a number, absent counts as 0; Update only
	Remove []string         // Update only
	If     Cond
}

// Index names. Both are sparse: an item is in an index while it has the
// index's partition attribute. Both may lag behind the table.
const (
	// Hist: partition attribute "hp", sort key the item's pk. Projects keys
	// and "wf".
	Hist = "hist"
	// Due: partition attribute "qp", sort attribute "qk" (a number). Projects
	// keys only.
	Due = "due"
)

// Attributes the indexes read.
const (
	HistPK   = "hp"
	DuePK    = "qp"
	DueSK    = "qk"
	HistWork = "wf"
)

// ExpiryAttr is the attribute with the Unix time in seconds after which the
// store may delete an item (DynamoDB TTL). Readers treat an expired item as
// absent; drivers may return it.
const ExpiryAttr = "xp"

// Query reads one partition of the table or of an index in order.
type Query struct {
	Index string // "" for the table, Hist or Due
	PK    string
	// From and To bound the sort key, both inclusive; "" is unbounded. For
	// Due they are decimal numbers.
	From, To string
	Desc     bool
	Strong   bool // refused together with Index
	Limit    int  // items per page; 0 is the driver's own page size (1 MB of data)
	After    Cursor
}

// Cursor continues a query; "" starts at the beginning. Opaque, and bound to
// the query that made it.
type Cursor string

// Page is a part of a query's answer.
type Page struct {
	Items []Item
	Next  Cursor // "" at the end
}
