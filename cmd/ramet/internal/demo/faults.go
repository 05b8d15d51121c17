package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/mono"
	"github.com/ramet-io/ramet/sdk"
)

// stopTries is how often a primary is stopped until another takes over. One that
// was stopped inside a write transaction holds the database and is waited for.
const stopTries = 20

// takeoverSlack is what a takeover may need beside two lease times before the
// stopped primary is let go on and stopped at another moment.
const takeoverSlack = 300 * time.Millisecond

// faults kills and stops primaries, and kills plugins, in random order at random moments, spread over
// the run.
func (d *director) faults(ctx context.Context, start time.Duration) error {
	n := d.o.Kills + d.o.Stops + d.o.PluginKills
	for i, which := range d.rnd.Perm(n) {
		slice := d.o.Duration / time.Duration(n+1)
		at := start + slice*time.Duration(i) + slice/4 + time.Duration(d.rnd.Float64()*float64(slice)/2)
		if err := d.pass(ctx, at-mono.Now()); err != nil {
			return err
		}
		if err := d.until(ctx, promoteLimit, "every node works", d.ready); err != nil {
			return err
		}
		if err := d.pass(ctx, d.o.Settle); err != nil {
			return err
		}
		fault := d.killPrimary
		switch {
		case which >= d.o.Kills+d.o.Stops:
			fault = d.killPlugin
		case which >= d.o.Kills:
			fault = d.stopPrimary
		}
		if err := fault(ctx); err != nil {
			return err
		}
		if err := d.measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// killPrimary kills the primary, waits for the next one and starts a node in the
// place of the killed one.
func (d *director) killPrimary(ctx context.Context) error {
	// At no special moment of the writers' work.
	if err := d.pass(ctx, time.Duration(d.rnd.Int63n(int64(20*time.Millisecond)))); err != nil {
		return err
	}
	victim, err := d.victim(ctx)
	if err != nil {
		return err
	}
	k := kill{victim: victim}
	for _, c := range d.slots {
		if c != victim {
			k.survivors = append(k.survivors, c)
		}
	}
	victim.expected = true
	k.at = mono.Now()
	d.kills = append(d.kills, k)
	if err := victim.kill(); err != nil {
		return fmt.Errorf("kill %s (pid %d): %w", victim.name, victim.pid(), err)
	}
	d.view.say("SIGKILL  %s (pid %d), epoch %d", victim.name, victim.pid(), victim.epoch)
	if err := d.until(ctx, promoteLimit, "another node is primary after a kill", d.newer(victim)); err != nil {
		return err
	}
	// The gap is the survivors' alone: a starting process would take their cores.
	if err := d.until(ctx, promoteLimit, "the survivors write again after a kill", d.recovered); err != nil {
		return err
	}
	return d.launch(victim.slot)
}

// recovered reports whether every survivor of the last kill wrote since another
// node is primary.
func (d *director) recovered() bool {
	k := d.kills[len(d.kills)-1]
	for _, c := range k.survivors {
		if n := len(c.acks); !c.gone && (n == 0 || c.acks[n-1].at < k.promoted) {
			return false
		}
	}
	return true
}

// victim returns the present primary, or the next one.
func (d *director) victim(ctx context.Context) (*child, error) {
	err := d.until(ctx, promoteLimit, "there is a primary", func() bool { return d.primary() != nil })
	return d.primary(), err
}

// newer reports whether a living node other than c won a higher epoch than c's.
func (d *director) newer(c *child) func() bool {
	epoch := c.epoch
	return func() bool {
		p := d.primary()
		return p != nil && p != c && p.epoch > epoch
	}
}

// stopPrimary stops the primary until another took over, then lets it go on: it
// must find out and become secondary.
func (d *director) stopPrimary(ctx context.Context) error {
	for range stopTries {
		victim, err := d.victim(ctx)
		if err != nil {
			return err
		}
		done, err := d.tryStop(ctx, victim)
		if done || err != nil {
			return err
		}
		moment := 20*time.Millisecond + time.Duration(d.rnd.Int63n(int64(100*time.Millisecond)))
		if err := d.pass(ctx, moment); err != nil {
			return err
		}
	}
	d.fail("no node took over from a stopped primary in %d tries", stopTries)
	return nil
}

func (d *director) tryStop(ctx context.Context, victim *child) (done bool, err error) {
	if err := victim.freeze(); err != nil {
		return false, fmt.Errorf("stop %s (pid %d): %w", victim.name, victim.pid(), err)
	}
	d.view.say("SIGSTOP  %s (pid %d), epoch %d", victim.name, victim.pid(), victim.epoch)
	taken := d.until(ctx, 2*d.o.TTL+takeoverSlack, "another node takes over", d.newer(victim))
	if taken == nil {
		taken = d.pass(ctx, 100*time.Millisecond) // the new one works beside the stopped one
	}
	if err := victim.thaw(); err != nil {
		return false, fmt.Errorf("resume %s (pid %d): %w", victim.name, victim.pid(), err)
	}
	if errors.Is(taken, errSlow) {
		d.held++
		d.view.say("SIGCONT  %s: nobody took over (it may hold a transaction open), so it will be stopped again", victim.name)
		return false, nil
	}
	if taken != nil {
		return false, taken
	}
	d.stops++
	d.view.say("SIGCONT  %s (pid %d)", victim.name, victim.pid())
	return true, d.soft(d.until(ctx, promoteLimit, "the resumed node is secondary", func() bool {
		return victim.role == sdk.Secondary || victim.gone
	}))
}

// measure runs Options.Floor while nobody writes. The next fault finds the node that
// was started last at work: until its feed has caught up it would take the survivors'
// cores.
func (d *director) measure(ctx context.Context) error {
	if d.o.Floor == nil {
		return nil
	}
	if err := d.until(ctx, promoteLimit, "every node works", d.ready); err != nil {
		return err
	}
	if err := d.pauseAll(ctx); err != nil {
		return err
	}
	if err := d.soft(d.catchUp(ctx)); err != nil {
		return err
	}
	if err := d.o.Floor(); err != nil {
		return err
	}
	d.resumeAll()
	return nil
}
