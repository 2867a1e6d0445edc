package sim

import (
	"context"
	"errors"
	"time"
)

// errEnded is what the calls of dead processes answer once the world is over.
var errEnded = errors.New("sim: the world has ended")

// call is one call of a port on its way.
type call struct {
	w    *world
	p    *process
	inv  *invocation
	ctx  context.Context
	what uint64
	dice dice
}

// enter begins a port call: what identifies it among all calls of the instant.
func (w *world) enter(ctx context.Context, p *process, what uint64) *call {
	c := &call{w: w, p: p, inv: invocationOf(ctx), ctx: ctx, what: mix(p.salt, what)}
	if c.inv != nil {
		c.what = mix(c.what, uint64(c.inv.id))
	}
	c.dice = dice(mix(mix(w.seed, uint64(w.since())), c.what))
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.inv == nil {
		w.fail("", "a port call of %s carries no invocation's context", p.name)
		return c
	}
	if c.inv.returned && !p.dead {
		w.fail("", "a port call after invocation %d (%s %s) of %s has returned", c.inv.id, c.inv.kind, c.inv.lane, p.name)
	}
	if ctx.Err() != nil {
		if c.inv.late++; c.inv.late == 400 {
			w.fail("", "invocation %d (%s %s) of %s goes on calling with an ended context", c.inv.id, c.inv.kind, c.inv.lane, p.name)
		}
	}
	return c
}

// fate is how a wait ended.
type fate int

const (
	passed fate = iota
	ended       // the caller's context ended first
	died        // the process died first
)

// sleep lets d pass. A process that freezes meanwhile goes on when it thaws,
// whatever its contexts say by then.
func (c *call) sleep(d time.Duration) fate {
	t := time.NewTimer(c.w.claim(d, c.what))
	defer t.Stop()
	f := passed
	select {
	case <-t.C:
	case <-c.p.gone:
		return died
	case <-c.ctx.Done():
		f = ended
	}
	for {
		c.w.mu.Lock()
		left := c.p.thaw - c.w.since()
		c.w.mu.Unlock()
		if left <= 0 {
			return f
		}
		f = passed
		t := time.NewTimer(c.w.claim(left+c.dice.between(time.Microsecond, 5*time.Millisecond), c.what))
		select {
		case <-t.C:
		case <-c.p.gone:
			t.Stop()
			return died
		}
	}
}

// latency is the time one way takes.
func (c *call) latency() time.Duration {
	if c.dice.chance(0.02) {
		return c.dice.between(10*time.Millisecond, 200*time.Millisecond)
	}
	return c.dice.between(200*time.Microsecond, 6*time.Millisecond)
}

// hang waits for the end of the world: the process is dead.
func (c *call) hang() error {
	<-c.w.end
	return errEnded
}

// linger lets an instant pass before a call returns because its context ended:
// many end with the same one.
func (c *call) linger() {
	t := time.NewTimer(c.w.claim(c.dice.between(time.Microsecond, time.Millisecond), c.what))
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.p.gone:
	}
}

// crash kills the process of a call. Callers hold mu.
func (c *call) crash(why string) { c.w.kill(c.p, why) }

// crashes decides whether the process dies here: by the fault of the place, or
// by that of the kind of invocation. Callers hold mu.
func (c *call) crashes(k fault) bool {
	switch c.inv.kind {
	case "work":
	case "dead":
		k = deadLetterKilled
	case "sweep":
		k = sweeperKilled
	case "start":
		k = starterKilled
	}
	return c.w.strikes(k, &c.dice)
}

// freezes decides whether the process freezes here. Callers hold mu.
func (c *call) freezes() bool {
	if c.w.mode == embedded || c.p.dead || c.p.thaw > c.w.since() || !c.w.strikes(frozen, &c.dice) {
		return false
	}
	span := c.dice.between(3*time.Second, 160*time.Second)
	if !c.p.host.api && c.dice.chance(0.5) {
		// Until somebody else has taken over. A starter that freezes for longer
		// than the sweep waits and then dies leaves what nobody was told of.
		span = c.dice.between(95*time.Second, 240*time.Second)
	}
	c.w.freeze(c.p, span)
	return true
}
