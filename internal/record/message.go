package record

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Why says what a message is about, for people; no decision depends on it.
type Why string

// The reasons to send a message.
const (
	WhyStart    Why = "start"
	WhyTimer    Why = "timer"
	WhySignal   Why = "signal"
	WhyHandover Why = "handover"
	WhyGuard    Why = "guard"
	WhyTakeover Why = "takeover"
	WhyWatch    Why = "watch"
)

// Message is the hint that an execution may have something to do.
type Message struct {
	V     int    `json:"v"`
	PK    string `json:"x"` // <tenant>#<execution>
	Run   int    `json:"r"`
	Epoch int64  `json:"e"` // known when sent
	Hops  int    `json:"n"`
	Off   int    `json:"o,omitempty"` // times in a row that nothing could be begun
	Why   Why    `json:"w"`
}

// MaxHops ends an execution that keeps waking itself without any progress.
const MaxHops = 10_000

// MessageVersion is the format of messages this binary writes.
const MessageVersion = 1

// Encode is the message's body.
func (m Message) Encode() []byte {
	m.V = MessageVersion
	b, _ := json.Marshal(m) // strings and numbers cannot fail
	return b
}

// DecodeMessage reads a message's body. A body of another format version is an
// error: it waits in the queue, at last in the dead-letter queue, for a binary
// that knows it.
func DecodeMessage(body []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(body, &m); err != nil {
		return m, errors.New("message is not JSON of the known form")
	}
	if m.V != MessageVersion {
		return m, fmt.Errorf("message has format version %d, this binary reads %d", m.V, MessageVersion)
	}
	if _, _, ok := SplitPK(m.PK); !ok || len(m.PK) > table.MaxPK {
		return m, errors.New("message names no execution")
	}
	return m, nil
}
