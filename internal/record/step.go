package record

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// FV is the format version of the items this binary writes; it reads this and
// any older one.
const FV = 1

// State is what a STEP item says of its step.
type State string

// The states of a STEP. Open ones have no outcome yet; the others are final.
const (
	Open      State = "o"
	Done      State = "s"
	Broken    State = "f"
	Abandoned State = "c" // cancelled
)

// Reason says what an open STEP waits for.
type Reason string

// The reasons of an open STEP.
const (
	ForRetry    Reason = "retry"
	ForTimer    Reason = "wait"
	ForCallback Reason = "callback"
	ForDecision Reason = "unknown" // an operator says whether to call again
	ForPoll     Reason = "poll"    // what was begun elsewhere is looked at again
	ForIntent   Reason = "intent"  // it is about to be called, and the call cannot be repeated
)

// Step is a STEP item: an outcome, or an open attempt or wait.
type Step struct {
	ID    string
	State State
	// Count grows with each write of an open or failed STEP. Comparing it makes
	// two workers' views of an open step exclude each other.
	Count int64
	Due   int64  // of an open one: Unix ms; 0 for never
	For   Reason // of an open one
	Owner string // the nonce of the write that made it
	// First is when the step was first begun, Unix ms: its timeout counts from
	// here.
	First int64

	Body StepBody
}

// StepBody is the part of a STEP that no condition reads.
type StepBody struct {
	Output   json.RawMessage `json:"o,omitempty"`
	Response json.RawMessage `json:"r,omitempty"`
	Error    *Error          `json:"e,omitempty"`
	Attempts []Attempt       `json:"a,omitempty"`
	Dropped  int             `json:"d,omitempty"` // attempts before the first kept one
	// State is what a step's caller knows of what it began elsewhere.
	State json.RawMessage `json:"p,omitempty"`
}

// MaxAttemptsKept bounds the attempts a STEP lists; the oldest go first.
const MaxAttemptsKept = 100

// Error is a failure as stored: no payload, no secret.
type Error struct {
	Category string `json:"c"`
	Code     string `json:"k,omitempty"`
	Message  string `json:"m,omitempty"`
	Step     string `json:"s,omitempty"`
}

// Bounds of an error in bytes: of a stored message, and of all of it in META,
// where characters that JSON escapes count as they are written.
const (
	MaxErrorMessage = 200
	MaxError        = 340
)

// Clip shortens the message to what is stored.
func (e *Error) Clip() *Error { return e.clip(MaxErrorMessage) }

func (e *Error) clip(most int) *Error {
	if len(e.Message) <= most {
		return e
	}
	c := *e
	cut := max(most-len("…"), 0)
	for cut > 0 && c.Message[cut]&0xC0 == 0x80 { // not inside a character
		cut--
	}
	c.Message = c.Message[:cut] + "…"
	return &c
}

// Attempt is one try of a step.
type Attempt struct {
	Start    int64  `json:"s"` // Unix ms
	End      int64  `json:"t"`
	Outcome  string `json:"o"` // succeeded, failed, cancelled
	Category string `json:"c,omitempty"`
	Message  string `json:"m,omitempty"`
	Delay    int64  `json:"d,omitempty"` // ms until the next
}

// Final reports whether the step has its outcome.
func (s *Step) Final() bool { return s != nil && s.State != Open }

// AddAttempt appends a try, dropping the oldest beyond MaxAttemptsKept.
func (s *Step) AddAttempt(a Attempt) {
	kept := s.Body.Attempts
	if len(kept) >= MaxAttemptsKept {
		kept = kept[len(kept)-MaxAttemptsKept+1:]
		s.Body.Dropped++
	}
	s.Body.Attempts = append(kept[:len(kept):len(kept)], a) // never in place: another view may share it
}

// Tried is how many attempts were made.
func (s *Step) Tried() int {
	if s == nil {
		return 0
	}
	return s.Body.Dropped + len(s.Body.Attempts)
}

// PackBody is the body as stored, before any splitting into chunks.
func (s *Step) PackBody() []byte {
	room := 192 + len(s.Body.Output) + len(s.Body.Response) + 64*len(s.Body.Attempts)
	return Pack(appendBody(make([]byte, 0, room), &s.Body))
}

// Attrs is the item. body is the packed body or the reference to its chunks.
func (s *Step) Attrs(body []byte) table.Attrs {
	a := table.Attrs{
		"fv": table.Int(FV),
		"k":  table.String(string(s.State)),
		"n":  table.Int(s.Count),
		"ow": table.String(s.Owner),
		"b":  table.Bytes(body),
	}
	if s.First != 0 {
		a["t0"] = table.Int(s.First)
	}
	if s.State == Open {
		a["due"] = table.Int(s.Due)
		a["why"] = table.String(string(s.For))
	}
	return a
}

// DecodeStep reads a STEP item whose sort key starts with prefix. The packed
// body is returned for the caller to unpack, since it may be in chunks.
func DecodeStep(it table.Item, prefix string) (*Step, []byte, error) {
	if fv := it.Attrs["fv"].Int(); fv > FV {
		return nil, nil, newer("STEP", fv)
	}
	return &Step{
		ID:    it.SK[min(len(prefix), len(it.SK)):],
		State: State(it.Attrs["k"].Str()),
		Count: it.Attrs["n"].Int(),
		Due:   it.Attrs["due"].Int(),
		For:   Reason(it.Attrs["why"].Str()),
		Owner: it.Attrs["ow"].Str(),
		First: it.Attrs["t0"].Int(),
	}, it.Attrs["b"].Bytes(), nil
}

// DecodeBody reads an unpacked body.
func (s *Step) DecodeBody(body []byte) error {
	if err := json.Unmarshal(body, &s.Body); err != nil {
		return fmt.Errorf("record: body of step %s: %w", s.ID, err)
	}
	return nil
}

func newer(what string, fv int64) error {
	return fmt.Errorf("record: %s has format version %d, this binary reads up to %d", what, fv, FV)
}

// appendBody writes the body by hand: it is written for every step, and the
// output is JSON already.
func appendBody(b []byte, s *StepBody) []byte {
	b = append(b, '{')
	if len(s.Attempts) > 0 {
		b = append(b, `"a":[`...)
		for i, a := range s.Attempts {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"s":`...)
			b = strconv.AppendInt(b, a.Start, 10)
			b = append(b, `,"t":`...)
			b = strconv.AppendInt(b, a.End, 10)
			b = append(b, `,"o":"`...)
			b = append(b, a.Outcome...)
			b = append(b, '"')
			if a.Category != "" {
				b = append(b, `,"c":"`...)
				b = append(b, a.Category...)
				b = append(b, '"')
			}
			if a.Message != "" {
				b = append(b, `,"m":`...)
				m, _ := json.Marshal(a.Message) // a string cannot fail
				b = append(b, m...)
			}
			if a.Delay != 0 {
				b = append(b, `,"d":`...)
				b = strconv.AppendInt(b, a.Delay, 10)
			}
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	field := func(name string, raw []byte) {
		if len(raw) == 0 {
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, name...)
		b = append(b, raw...)
	}
	field(`"r":`, s.Response)
	if s.Error != nil {
		e, _ := json.Marshal(s.Error) // strings cannot fail
		field(`"e":`, e)
	}
	if s.Dropped > 0 {
		field(`"d":`, strconv.AppendInt(nil, int64(s.Dropped), 10))
	}
	field(`"p":`, s.State)
	field(`"o":`, s.Output)
	return append(b, '}')
}

// EncodeLast packs a final STEP for META's `lo`.
func EncodeLast(s *Step) []byte {
	head, _ := json.Marshal(last{s.ID, s.State, s.Count, s.First}) // strings and numbers cannot fail
	body := s.PackBody()
	out := make([]byte, 0, len(head)+1+len(body))
	out = append(out, head...)
	out = append(out, '\n')
	return append(out, body...)
}

type last struct {
	ID    string `json:"i"`
	State State  `json:"k"`
	Count int64  `json:"n,omitempty"`
	First int64  `json:"f,omitempty"`
}

// DecodeLast reads META's `lo`.
func DecodeLast(lo []byte) (*Step, error) {
	for i, c := range lo {
		if c != '\n' {
			continue
		}
		var h last
		if err := json.Unmarshal(lo[:i], &h); err != nil {
			return nil, fmt.Errorf("record: lo: %w", err)
		}
		body, err := Unpack(lo[i+1:])
		if err != nil {
			return nil, err
		}
		s := &Step{ID: h.ID, State: h.State, Count: h.Count, First: h.First}
		if err := s.DecodeBody(body); err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, fmt.Errorf("record: lo without a body")
}
