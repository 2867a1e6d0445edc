package record

import (
	"time"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// TaskSK is the sort key of a TASK.
const TaskSK = "t"

// TaskKey names the TASK of an execution.
func TaskKey(pk string) table.Key { return table.Key{PK: pk, SK: TaskSK} }

// Attributes of a TASK that conditions and updates name.
const (
	AtTaskToken = "tt" // a credential; gone when the task has been answered
	AtTaskBeat  = "hb" // how long Step Functions waits for a sign of life, ms
	AtTaskTries = "n"  // looks since the last that changed something
	AtTaskUntil = "by" // until when META may still come, Unix ms
	AtTaskEnd   = "k"  // why it is done with
)

// Task is a task of Step Functions that waits for the first run of an execution.
type Task struct {
	Token string // "": it is done with
	Beat  time.Duration
	Tries int64
	DueAt int64 // when the sweeper looks at it, Unix ms
	Until int64
}

// NewTask is the TASK of an execution, to be looked at first at due. META may come
// until then, and all of it expires at xp.
func NewTask(id, token string, beat time.Duration, due, until, xp int64) table.Attrs {
	a := table.Attrs{
		"fv": table.Int(FV), AtTaskToken: table.String(token), AtTaskUntil: table.Int(until), table.ExpiryAttr: table.Int(xp),
		table.DuePK: table.String(DuePK(id)), table.DueSK: table.Int(due),
	}
	if beat > 0 {
		a[AtTaskBeat] = table.Int(beat.Milliseconds())
	}
	return a
}

// DecodeTask reads a TASK.
func DecodeTask(a table.Attrs) (*Task, error) {
	if fv := a["fv"].Int(); fv > FV {
		return nil, newer("TASK", fv)
	}
	return &Task{
		Token: a[AtTaskToken].Str(), Beat: time.Duration(a[AtTaskBeat].Int()) * time.Millisecond,
		Tries: a[AtTaskTries].Int(), DueAt: a[table.DueSK].Int(), Until: a[AtTaskUntil].Int(),
	}, nil
}
