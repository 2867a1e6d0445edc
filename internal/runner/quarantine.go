package runner

import (
	"sync"
	"sync/atomic"
	"time"
)

// quarantine is this process's one place for an execution whose workers have
// died twice in a row. Where a process has one solo invocation at a time, as on
// Lambda, it is always free. Where it has many, as on one machine, a poisoned
// execution takes those beside it along, life after life: their deaths count as
// its own do, and all would end as crashed. So from the second death on no two
// of them work at once, and the poisoned one is alone when it dies.
type quarantine struct{ taken atomic.Bool }

const (
	// suspicious is the number of deaths in a row that leads there.
	suspicious = 2
	// quarantineWait is how long who finds it taken waits to ask again.
	quarantineWait = 2 * time.Second
)

// enter takes the place, if the deaths ask for it. free: the execution may run,
// and leave ends it.
func (q *quarantine) enter(deaths int64) (leave func(), free bool) {
	if deaths < suspicious {
		return func() {}, true
	}
	if !q.taken.CompareAndSwap(false, true) {
		return nil, false
	}
	open := sync.OnceFunc(func() { q.taken.Store(false) })
	t := time.AfterFunc(quarantined(deaths), open)
	return func() { t.Stop(); open() }, true
}

// quarantined is how long an execution is alone at most: whoever lives on for so
// long is not what kills. What takes longer to kill takes others along once, and
// the next time has longer: 3, 15 and 75 seconds.
func quarantined(deaths int64) time.Duration {
	d := 3 * time.Second
	for range deaths - suspicious {
		d *= 5
	}
	return d
}
