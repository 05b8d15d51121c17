package demo

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/mono"
	"github.com/ramet-io/ramet/sdk"
)

// pluginAt is a plugin program as a node's status shows it.
type pluginAt struct {
	Name  string `json:"name"`
	PID   int    `json:"pid"`
	Ready bool   `json:"ready"`
}

// askAgain is how long after a kill the victim's node is asked what serves now.
const askAgain = 20 * time.Millisecond

// listPlugins tells the director which programs serve the stages. It says nothing
// while the status cannot be had: the director asks again.
func (n *node) listPlugins(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err := n.inst.Status(ctx)
	if err != nil {
		return
	}
	m := message{Kind: kindPlugins}
	for _, stage := range s.Stages {
		p := pluginAt{Name: stage.Plugin, PID: stage.PID, Ready: stage.Health == sdk.Ready.String()}
		if p.PID != 0 && !slices.Contains(m.Plugins, p) { // one program may serve several stages
			m.Plugins = append(m.Plugins, p)
		}
	}
	n.out.send(m)
}

// killPlugin kills a random plugin program of a random node, which is the primary
// as often as not, and waits until another process serves in its place and every
// node wrote since.
func (d *director) killPlugin(ctx context.Context) error {
	c, err := d.victim(ctx)
	if err != nil {
		return err
	}
	if d.rnd.Intn(2) == 0 {
		c = d.slots[d.rnd.Intn(len(d.slots))]
	}
	if err := d.askPlugins(ctx, c, func(list []pluginAt) bool { return len(list) > 0 }); err != nil {
		return err
	}
	victim := c.plugins[d.rnd.Intn(len(c.plugins))]
	process, err := os.FindProcess(victim.PID)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		return fmt.Errorf("kill plugin %s of %s (pid %d): %w", victim.Name, c.name, victim.PID, err)
	}
	d.plugins++
	d.view.say("SIGKILL  plugin %s of %s (pid %d), which is %s", victim.Name, c.name, victim.PID, c.role)
	replaced := func(list []pluginAt) bool {
		return slices.ContainsFunc(list, func(p pluginAt) bool { return p.Name == victim.Name && p.PID != victim.PID && p.Ready })
	}
	if err := d.soft(d.askPlugins(ctx, c, replaced)); err != nil {
		return err
	}
	from := mono.Now()
	return d.soft(d.until(ctx, promoteLimit, "every node writes again after plugin "+victim.Name+" was killed", func() bool {
		return !slices.ContainsFunc(d.slots, func(c *child) bool { n := len(c.acks); return n == 0 || c.acks[n-1].at < from })
	}))
}

// askPlugins asks c for its plugin programs until ok likes the answer.
func (d *director) askPlugins(ctx context.Context, c *child, ok func([]pluginAt) bool) error {
	for end := mono.Now() + promoteLimit; mono.Now() < end && !c.gone; {
		c.plugins = nil
		c.tell(wordPlugins)
		err := d.until(ctx, 2*time.Second, "an answer", func() bool { return c.plugins != nil || c.gone })
		if err == nil && ok(c.plugins) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := d.pass(ctx, askAgain); err != nil {
			return err
		}
	}
	return fmt.Errorf("the plugin programs of %s are not all served: %w", c.name, errSlow)
}
