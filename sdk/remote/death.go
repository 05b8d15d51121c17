package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// explainGrace is how long the exit status and the last lines of a dead process are
// waited for.
const explainGrace = 50 * time.Millisecond

// watch sees the child die: the end of the carrier comes first. It explains the
// death, once, and ends what the plugin left unfinished.
func (c *child) watch() {
	select {
	case <-c.conn.done:
	case <-c.proc.done: // something else holds the carrier open
		c.conn.fail(&goneError{c.program.Name, c.proc.ident(), errGone})
	}
	c.stop()
	if why := c.conn.why; errors.Is(why, sdk.ErrInvalid) { // it sent what nobody can read
		c.kill(why)
	}
	select {
	case <-c.proc.done:
	case <-time.After(explainGrace):
		c.proc.kill() // without its carrier it is of no use
		select {
		case <-c.proc.done:
		case <-time.After(explainGrace):
		}
	}
	c.mu.Lock()
	closing := c.closing
	report := c.logs.panicked()
	c.why = c.explainLocked(report)
	why := c.why
	c.mu.Unlock()
	close(c.dead)
	if !closing {
		c.report(why, report)
	}
	c.handlers.endAll()
}

// explainLocked says why the child is dead.
func (c *child) explainLocked(p *panicReport) error {
	who := fmt.Sprintf("plugin %s %s (pid %d)", c.info.Name, c.info.Version, c.proc.ident())
	switch {
	case p != nil:
		where := ""
		if p.Operation != "" {
			where = fmt.Sprintf(" in the %s stage, %s", p.Stage, p.Operation)
		}
		return fmt.Errorf("%s panicked%s: %s", who, where, p.Value)
	case c.why != nil:
		return fmt.Errorf("%s was killed: %w", who, c.why)
	}
	how := c.proc.ended()
	if how == "" {
		how = fmt.Sprintf("is not gone, though its carrier is (%v)", c.conn.why)
	}
	return fmt.Errorf("%s %s; %s", who, how, c.logs.quote())
}

// report makes one entry of a death that nobody asked for.
func (c *child) report(why error, p *panicReport) {
	log := c.logs.logger()
	if p == nil {
		log.Error("plugin died", "plugin", c.info.Name, "version", c.info.Version, "pid", c.proc.ident(), "err", why)
		return
	}
	log.Error("plugin panicked", "plugin", c.info.Name, "version", c.info.Version, "pid", c.proc.ident(),
		"stage", p.Stage, "operation", p.Operation, "panic", p.Value, "stack", p.Stack,
		"last_lines", strings.Join(c.logs.tail(), "\n"))
}

// startError says why a launch failed, in words of ours: go-plugin's name neither
// the cause nor what to do.
func (c *child) startError(ctx context.Context, err error) error {
	var known interface{ Unwrap() error }
	if sdk.CodeOf(err) != 0 && errors.As(err, &known) {
		return err // it did not even start
	}
	over := ctx.Err()
	// If it is about to exit, wait for how; if it lives, its lines so far must do.
	select {
	case <-c.proc.done:
	case <-time.After(explainGrace):
	}
	name, pid := c.program.Name, c.proc.ident()
	how := c.proc.ended()
	switch line := c.proc.babble(); {
	case line != "":
		return fmt.Errorf("%w: plugin %s (pid %d) printed %q to standard output instead of the handshake; "+
			"is it a plugin of ramet? A plugin prints to standard error. %s", sdk.ErrIncompatible, name, pid, line, c.logs.quote())
	case strings.Contains(err.Error(), "incompatible API version"), strings.Contains(err.Error(), "incompatible core API version"):
		return fmt.Errorf("%w: plugin %s speaks another version of the plugin protocol than %d: %v; install a version of it that fits",
			sdk.ErrIncompatible, name, protocolVersion, err)
	case over != nil && context.Cause(ctx) == errStartTimeout:
		return fmt.Errorf("%w: plugin %s (pid %d) did not finish the handshake within %v and was killed; %s",
			sdk.ErrUnavailable, name, pid, c.program.StartTimeout, c.logs.quote())
	case over != nil:
		return fmt.Errorf("plugin %s (pid %d) was killed before it was ready: %w; %s", name, pid, over, c.logs.quote())
	case how != "":
		return fmt.Errorf("%w: plugin %s (pid %d) %s before it was ready; %s", sdk.ErrUnavailable, name, pid, how, c.logs.quote())
	}
	return fmt.Errorf("%w: plugin %s (pid %d): %v; %s", sdk.ErrUnavailable, name, pid, err, c.logs.quote())
}
