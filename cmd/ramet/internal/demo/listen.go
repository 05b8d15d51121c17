package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// until takes events until ok. It returns errSlow after limit.
func (d *director) until(ctx context.Context, limit time.Duration, what string, ok func() bool) error {
	end := time.NewTimer(limit)
	defer end.Stop()
	for !ok() {
		over, err := d.next(ctx, end.C)
		if err != nil {
			return err
		}
		if over && !ok() {
			return fmt.Errorf("%s: %w (%v)", what, errSlow, limit)
		}
	}
	return nil
}

// pass takes events for t.
func (d *director) pass(ctx context.Context, t time.Duration) error {
	end := time.NewTimer(max(t, 0))
	defer end.Stop()
	for {
		if over, err := d.next(ctx, end.C); over || err != nil {
			return err
		}
	}
}

// next takes one event, or draws the view, or reports that end came.
func (d *director) next(ctx context.Context, end <-chan time.Time) (over bool, err error) {
	select {
	case e := <-d.events:
		d.take(e)
		return false, d.replace(e)
	case <-d.view.tick.C:
		d.view.show()
		return false, nil
	case <-end:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// replace starts a node in the place of one that ended by itself. A run in which
// they keep doing so is ended.
func (d *director) replace(e event) error {
	if !e.gone || e.from.expected {
		return nil
	}
	d.fail("node %s ended by itself: %v %s", e.from.name, e.err, e.from.errs)
	if len(d.failures) > 3*d.o.Instances {
		return fmt.Errorf("nodes do not stay alive: %s", d.failures[0])
	}
	return d.launch(e.from.slot)
}

// take records an event.
func (d *director) take(e event) {
	c, m := e.from, e.msg
	if e.gone {
		c.gone = true
		if n := len(d.kills); n > 0 && d.kills[n-1].victim == c {
			d.kills[n-1].died = m.At
		}
		return
	}
	switch m.Kind {
	case kindAck:
		c.acks = append(c.acks, ack{m.Key, m.Row, m.At})
		d.rows = append(d.rows, m.Row)
	case kindFeed:
		for _, row := range m.Rows {
			c.seen[row]++
		}
	case kindRole:
		d.takeRole(c, m)
	case kindUnknown:
		c.unknown++
	case kindGap:
		c.gaps++
		c.covered = len(d.rows)
	case kindCount:
		c.counters = *m.Counters
	case kindPlugins:
		if c.plugins = m.Plugins; c.plugins == nil {
			c.plugins = []pluginAt{}
		}
	case kindQuiet:
		c.quiet = true
	case kindFault:
		d.fail("%s: %s", c.name, m.Text)
	}
}

func (d *director) takeRole(c *child, m message) {
	if m.Role == sdk.Primary && !d.epochs[m.Epoch] {
		d.epochs[m.Epoch] = true
		if len(d.kills) > 0 {
			if k := &d.kills[len(d.kills)-1]; k.promoted == 0 {
				k.promoted = m.At
			}
		}
		d.view.say("primary  %s, epoch %d: %s", c.name, m.Epoch, m.Text)
	}
	if c.role == sdk.Primary && m.Role != sdk.Primary && !c.expected {
		d.view.say("demoted  %s, epoch %d: %s", c.name, c.epoch, m.Text)
	}
	c.role, c.epoch = m.Role, m.Epoch
}

// primary returns the living node with the highest epoch won; nil if there is
// none at the moment.
func (d *director) primary() *child {
	var best *child
	for _, c := range d.slots {
		if c.role == sdk.Primary && !c.gone && !c.expected && (best == nil || c.epoch > best.epoch) {
			best = c
		}
	}
	return best
}

// ready reports whether every node has a role and has written, so that the next
// fault meets a workspace at work.
func (d *director) ready() bool {
	if d.primary() == nil {
		return false
	}
	for _, c := range d.slots {
		if c.role == "" || len(c.acks) == 0 || c.gone {
			return false
		}
	}
	return true
}
