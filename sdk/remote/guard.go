package remote

import (
	"fmt"
	"time"
)

const (
	// pingInterval is how often a silent plugin is asked for a sign of life. Any frame
	// is one.
	pingInterval = 200 * time.Millisecond
	// pingsMissed is how many intervals in a row without one mean that it hangs. With
	// the interval in which it stopped that is 600 to 800 ms.
	pingsMissed = 3
	// starvedMissed is the same for a plugin that wants to run and does not get to
	// answer: the machine is busy, or it is caught in a loop.
	starvedMissed = 25
)

// guard notices a plugin that is there and does nothing any more: stopped, or
// deadlocked. It counts only intervals in which this process itself was awake, so
// a host that was stopped, suspended or starved blames nobody.
func (c *child) guard() {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	last, frames, missed := time.Now(), c.conn.frames.Load(), 0
	for {
		select {
		case <-c.conn.done:
			return
		case <-tick.C:
		}
		now := time.Now()
		late := now.Sub(last) > pingInterval*3/2
		last = now
		switch seen := c.conn.frames.Load(); {
		case seen != frames:
			frames, missed = seen, 0
		case late: // we slept ourselves
		default:
			missed++
		}
		if missed >= starvedMissed || missed >= pingsMissed && !wantsToRun(c.proc.ident()) {
			c.kill(fmt.Errorf("it hangs: no sign of life for %v", time.Duration(missed)*pingInterval))
			return
		}
		c.conn.ping()
	}
}
