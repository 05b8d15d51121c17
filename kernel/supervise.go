package kernel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// plugin is one configured plugin and its present life.
type plugin struct {
	sdk.Plugin
	info   sdk.Info
	env    sdk.Env
	budget budget // of the supervisor

	mu       sync.Mutex // guards what follows
	now      *life      // the newest; nil before the first Open
	restarts int
	away     error         // why the supervisor does not open it at the moment, or never again; nil: it does, or it is up
	changed  chan struct{} // closed and replaced when it is up again or away
}

// start opens the plugin for the first or the next time.
func (p *plugin) start(ctx context.Context) error {
	r, err := p.Open(ctx, p.env)
	if err != nil {
		return fmt.Errorf("open plugin %s: %w", p.info.Name, err)
	}
	l := newLife(p.info.Name, r)
	h, err := r.WaitHealth(ctx, 0)
	l.heed(h, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now != nil {
		p.restarts++
	}
	p.now, p.away = l, nil
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

func (p *plugin) giveUp(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = why
	close(p.changed)
	p.changed = make(chan struct{})
}

// up returns the present life, or why there is none that could be asked.
func (p *plugin) up() (*life, error) {
	p.mu.Lock()
	l, away := p.now, p.away
	p.mu.Unlock()
	switch {
	case !l.over.Load():
		return l, nil
	case away != nil:
		return nil, fmt.Errorf("%w: plugin %s is down, %w: %w", sdk.ErrUnavailable, p.info.Name, errDied, away)
	}
	return nil, fmt.Errorf("%w: plugin %s is being opened again, %w: %w", sdk.ErrUnavailable, p.info.Name, errDied, l.why())
}

// wait blocks until the plugin is up. It gives up with the reason when the
// supervisor has, and when ctx ends.
func (p *plugin) wait(ctx context.Context) (*life, error) {
	for {
		p.mu.Lock()
		away, changed := p.away, p.changed
		p.mu.Unlock()
		l, err := p.up()
		if err == nil || away != nil {
			return l, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// returning reports whether the plugin is down and on its way back.
func (p *plugin) returning() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now.over.Load() && p.away == nil
}

// stages names what the plugin serves, like "lock+watcher".
func (p *plugin) stages() string {
	names := make([]string, len(p.info.Stages))
	for n, s := range p.info.Stages {
		names[n] = string(s)
	}
	return strings.Join(names, "+")
}

// supervise watches one plugin for the life of the instance. When it fails it is
// ended and opened again; what the failure means for the role is for run to say.
func (i *Instance) supervise(ctx context.Context, p *plugin) {
	for ctx.Err() == nil {
		reason := i.watchHealth(ctx, p)
		if ctx.Err() != nil {
			return
		}
		i.degrade(p.key(), fmt.Errorf("it failed and is being opened again: %w", reason))
		i.parts.kick() // run looks at once: the lock of a dead store is needed elsewhere
		began := time.Now()
		if err := i.bury(ctx, p); err != nil {
			i.abandon(p, fmt.Errorf("it failed (%w) and did not stop: %w; exit the process", reason, err))
			return
		}
		if !i.reopen(ctx, p, reason) {
			return
		}
		i.restarted(p, reason, time.Since(began))
	}
}

// watchHealth returns when the plugin has failed, with the reason, or ctx ends.
func (i *Instance) watchHealth(ctx context.Context, p *plugin) error {
	l := p.now // only this goroutine changes it
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := start(func(quit context.Context) { // a call may find the failure first
		select {
		case <-l.failed:
			cancel()
		case <-quit.Done():
		}
	})
	defer found.stop()
	for seen := l.health.Load().Number; !l.over.Load(); seen = l.health.Load().Number {
		h, err := l.running.WaitHealth(ctx, seen)
		if ctx.Err() != nil {
			break
		}
		l.heed(h, err)
		if err == nil && h.Number == seen { // against the contract; it must not spin
			select {
			case <-ctx.Done():
			case <-time.After(sameHealthPause):
			}
		}
		if h.Condition == sdk.Degraded {
			i.degrade(p.key(), errors.New(h.Reason))
		} else if err == nil && h.Condition == sdk.Ready {
			i.restore(p.key())
		}
	}
	return l.why()
}

// sameHealthPause is how long a plugin is left alone that answers WaitHealth with the
// health that is known.
const sameHealthPause = time.Second

// bury ends a failed plugin.
func (i *Instance) bury(ctx context.Context, p *plugin) error {
	ctx, cancel := context.WithTimeout(ctx, closeBudget)
	defer cancel()
	return p.now.close(ctx)
}

// reopen opens the plugin again, as often and as fast as its budget allows. It
// reports false when that is over for good.
func (i *Instance) reopen(ctx context.Context, p *plugin, reason error) bool {
	for {
		pause, over := p.budget.next(time.Now())
		if over && pause < 0 {
			i.abandon(p, fmt.Errorf("it failed and Config.Restarts says never to open it again: %w", reason))
			return false
		}
		if over {
			i.abandon(p, fmt.Errorf("opened %d times in %v; tried again in %v: %w",
				p.budget.Max, p.budget.Per, pause.Round(100*time.Millisecond), reason))
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
		p.budget.spend(time.Now())
		open, cancel := context.WithTimeout(ctx, i.cfg.StartTimeout)
		err := p.start(open)
		cancel()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		i.log.Warn("plugin could not be opened again", "plugin", p.info.Name, "stage", p.stages(), "err", err)
		reason = err
	}
}

// abandon leaves the plugin down for now, or for good.
func (i *Instance) abandon(p *plugin, why error) {
	i.log.Error("plugin is down", "plugin", p.info.Name, "stage", p.stages(), "reason", why)
	i.degrade(p.key(), fmt.Errorf("down: %w", why))
	p.giveUp(why)
	i.parts.kick()
}

// restarted tells that the plugin is up again.
func (i *Instance) restarted(p *plugin, reason error, took time.Duration) {
	i.log.Warn("plugin opened again", "plugin", p.info.Name, "stage", p.stages(), "reason", reason, "took", took)
	i.events.add(Transition{At: time.Now(), Stage: p.stages(), Op: "restart", Took: took,
		Err: fmt.Sprintf("plugin %s failed: %v", p.info.Name, reason)})
	i.restore(p.key())
	i.parts.kick()
}

// key names the plugin in Status.Degraded.
func (p *plugin) key() string { return "plugin " + p.info.Name }
