package record

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Attributes of META that conditions and updates name.
const (
	AtStatus     = "st"
	AtRun        = "run"
	AtEpoch      = "ep"
	AtLease      = "lu" // leaseUntil, Unix ms; 0 = free
	AtMessage    = "mi" // the holder's message id
	AtOwner      = "ow" // who last leased, renewed, released, finished or retried
	AtNotBefore  = "at" // delayed start, Unix ms
	AtNextDue    = "nd" // Unix ms; 0 = look now
	AtSignals    = "sg"
	AtCancel     = "cx"
	AtPause      = "pz"
	AtMark       = "i." // prefix: a signal has come for the step that follows
	AtLast       = "lo" // the last outcome, riding on FINISH
	AtTakeover   = "tk"
	AtCrashes    = "cr"
	AtOutcomes   = "cs" // outcomes seen at the last takeover
	AtReturns    = "dr" // returns from the dead-letter queue
	AtResends    = "qn" // re-sends by the sweeper
	AtDeadline   = "dl" // Unix ms
	AtRetry      = "rt"
	AtSpan       = "to" // timeout of a later run in ms
	AtInput      = "in"
	AtOutput     = "out"
	AtError      = "er"
	AtStarted    = "t0" // Unix ms
	AtEnded      = "t1"
	AtLeased     = "ls" // when the present lease began, Unix ms
	AtVersion    = "v"
	AtPriority   = "pr"
	AtTags       = "tg"
	AtInputItem  = "ix" // sort key of the INPUT item; absent: inline or null
	AtWriteUnits = "wu" // used so far, in tenths of a unit
	AtReadUnits  = "ru"
	AtOutputItem = "ox" // 1: the output is in OUTPUT
	AtTask       = "tn" // 1: a task of Step Functions waits for the first run, see TASK
)

// AtDiffers counts, on the IDEM of an event, the deliveries whose body was
// another than the first one's.
const AtDiffers = "mm"

// Meta is an execution's state, decoded.
type Meta struct {
	Tenant, ID string
	PK         string

	Workflow string
	Version  int
	Run      int
	Status   Status
	Priority string
	Tags     map[string]string

	Epoch      int64
	LeaseUntil int64
	Message    string
	Owner      string
	Leased     int64

	NotBefore int64
	NextDue   int64
	Signals   int64
	Cancel    bool
	Pause     bool
	Marks     map[string]string // step → "1", or a decision on an unknown step

	Last     []byte
	Takeover bool
	Crashes  int64
	Outcomes int64
	Returns  int64
	Resends  int64

	Deadline int64
	Expires  int64 // Unix seconds
	DuePK    string
	DueAt    int64
	Retry    string
	Span     int64 // timeout of a later run in ms; 0 in the first

	Input      []byte // packed; nil: see InputItem
	InputItem  string // sort key of the INPUT that has it; "": inline or null
	Output     []byte // packed
	OutputItem bool
	Error      *Error
	WriteUnits int64 // used so far, in tenths
	ReadUnits  int64
	Task       bool // a task of Step Functions waits for the first run
	Created    time.Time
	Started    int64
	Ended      int64
}

// DecodeMeta reads a META item.
func DecodeMeta(it table.Item) (*Meta, error) {
	tenant, id, _ := SplitPK(it.PK)
	return decodeMeta(tenant, id, it.PK, it.Attrs)
}

// DecodeImage reads a META from an old or new image of the item with key pk.
func DecodeImage(pk string, a table.Attrs) (*Meta, error) {
	tenant, id, _ := SplitPK(pk)
	return decodeMeta(tenant, id, pk, a)
}

func decodeMeta(tenant, id, pk string, a table.Attrs) (*Meta, error) {
	if fv := a["fv"].Int(); fv > FV {
		return nil, newer("META", fv)
	}
	created, err := CreatedAt(id)
	if err != nil {
		return nil, err
	}
	m := &Meta{
		Tenant: tenant, ID: id, PK: pk, Created: created,
		Workflow: a[table.HistWork].Str(), Version: int(a[AtVersion].Int()), Run: int(a[AtRun].Int()),
		Status: Status(a[AtStatus].Str()), Priority: a[AtPriority].Str(),
		Epoch: a[AtEpoch].Int(), LeaseUntil: a[AtLease].Int(), Message: a[AtMessage].Str(),
		Owner: a[AtOwner].Str(), Leased: a[AtLeased].Int(),
		NotBefore: a[AtNotBefore].Int(), NextDue: a[AtNextDue].Int(), Signals: a[AtSignals].Int(),
		Cancel: a[AtCancel].Int() != 0, Pause: a[AtPause].Int() != 0,
		Last: a[AtLast].Bytes(), Takeover: a[AtTakeover].Int() != 0,
		Crashes: a[AtCrashes].Int(), Outcomes: a[AtOutcomes].Int(),
		Returns: a[AtReturns].Int(), Resends: a[AtResends].Int(),
		Deadline: a[AtDeadline].Int(), Expires: a[table.ExpiryAttr].Int(),
		DuePK: a[table.DuePK].Str(), DueAt: a[table.DueSK].Int(), Retry: a[AtRetry].Str(), Span: a[AtSpan].Int(),
		Input: a[AtInput].Bytes(), InputItem: a[AtInputItem].Str(),
		WriteUnits: a[AtWriteUnits].Int(), ReadUnits: a[AtReadUnits].Int(),
		Output: a[AtOutput].Bytes(), OutputItem: a[AtOutputItem].Int() != 0,
		Task: a[AtTask].Int() != 0, Started: a[AtStarted].Int(), Ended: a[AtEnded].Int(),
	}
	if m.Run == 0 {
		m.Run = 1
	}
	if m.Priority == "" {
		m.Priority = "normal" // the usual one is not stored
	}
	for name, v := range a {
		if strings.HasPrefix(name, AtMark) {
			if m.Marks == nil {
				m.Marks = map[string]string{}
			}
			m.Marks[name[len(AtMark):]] = v.Str()
		}
	}
	if tags := a[AtTags].Str(); tags != "" {
		_ = json.Unmarshal([]byte(tags), &m.Tags) // written by us; unreadable tags are no reason to stop
	}
	if e := a[AtError].Str(); e != "" {
		m.Error = &Error{}
		_ = json.Unmarshal([]byte(e), m.Error)
	}
	return m, nil
}

// EncodeError is an error as META holds it, in at most MaxError bytes, and in
// room where that is less: the message makes place as far as it can.
func EncodeError(e *Error, room int) table.Value {
	room = min(room, MaxError)
	e = e.Clip()
	b, _ := json.Marshal(e) // strings cannot fail
	for len(b) > room && len(e.Message) > len("…") {
		// Escaped, a byte takes at most six.
		e = e.clip(len(e.Message) - max(1, (len(b)-room)/6))
		b, _ = json.Marshal(e)
	}
	return table.String(string(b))
}

// Expired reports whether an item's xp has passed: every reader takes such an
// item for absent.
func Expired(a table.Attrs, now time.Time) bool {
	xp := a[table.ExpiryAttr].Int()
	return xp != 0 && xp <= now.Unix()
}
