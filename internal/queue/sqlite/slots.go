package sqlite

import "github.com/seed-926d1ba8/stepline/internal/queue"

// Slots are how many deliveries the pumps that share them may have in hand
// together. A message stays in its lane until there is one for it, so waiting
// costs it neither a receive nor its visibility. A slot that is freed goes to
// the pump that has waited longest; one that wants more waits again behind the
// others, so a lane's backlog keeps no other lane from being served.
type Slots struct {
	// Guarded by the queue's lock. While there is a free slot nobody waits.
	free    int
	waiting []*Pump
}

// Slots makes n slots for pumps of this queue, 1 at least.
func (q *Queue) Slots(n int) *Slots { return &Slots{free: max(n, 1)} }

// left is how many slots are free; p is served again when there are none now.
// The lock is held, as for all of these; without slots there is no bound.
func (s *Slots) left(p *Pump) int {
	if s == nil {
		return queue.MaxBatch
	}
	if s.free == 0 && !p.waiting {
		p.waiting = true
		s.waiting = append(s.waiting, p)
	}
	return s.free
}

func (s *Slots) take(n int) {
	if s != nil {
		s.free -= n
	}
}

func (s *Slots) give(n int) {
	if s == nil {
		return
	}
	s.free += n
	for s.free > 0 && len(s.waiting) > 0 {
		p := s.waiting[0]
		s.waiting = s.waiting[1:]
		p.waiting = false
		p.full = true // it has waited: not for company as well
		p.feed()
		p.full = false
		p.queue.ready[p.lane] = true // so that what it has taken comes back in time
	}
}
