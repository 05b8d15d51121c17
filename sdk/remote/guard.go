package remote

import (
	"context"
	"fmt"
	"time"

	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	// pingInterval is how often a silent plugin is asked for a sign of life. Any frame
	// is one.
	pingInterval = 150 * time.Millisecond
	// pingsMissed is how many intervals in a row without one make it suspect. With the
	// interval in which it stopped that is 450 to 600 ms.
	pingsMissed = 3
	// secondOpinion is how long a suspect may take to answer on the control connection.
	// A large frame holds up the frames behind it, but not that.
	secondOpinion = 200 * time.Millisecond
	// busyMissed is how many intervals are enough by themselves, for a plugin that
	// answers there, or whose threads want to run: the machine is busy, or the plugin
	// is caught in a loop.
	busyMissed = 40
)

// guard notices a plugin whose process stands still or is kept from answering; see
// the package's comment for what it does not. It counts only time in which this process itself was awake, so a host
// that was stopped, suspended or starved blames nobody.
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
		if missed >= busyMissed || missed >= pingsMissed && !wantsToRun(c.proc.ident()) && c.silent() {
			c.kill(fmt.Errorf("it hangs: no sign of life for %v", time.Duration(missed)*pingInterval))
			return
		}
		c.conn.ping()
	}
}

// silent reports whether the plugin does not answer on the control connection
// either, as far as this process was awake to see it.
func (c *child) silent() bool {
	ctx, cancel := c.bound(context.Background())
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, secondOpinion)
	defer stop()
	began := time.Now()
	_, err := grpc_health_v1.NewHealthClient(c.control).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	return err != nil && time.Since(began) < secondOpinion*3/2
}
