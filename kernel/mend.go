package kernel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// mend answers the failure, or the return, of a plugin. What must go is what the
// present pass holds of a dead plugin, and the steps above it; nothing else moves:
//
//	primary, lease or database dead   demote: another may be promoted meanwhile
//	primary, server dead              rewind to the store, serve again under the same epoch
//	secondary, next in line           give the lock back, for it is of no use here
//
// All other steps ask a stage again with each call and find the new life by
// themselves: the reader, the linker and the standby.
func (i *Instance) mend() error {
	p := &i.pass
	i.watch.touch() // the standby waits for the lock only while this instance is fit
	down := i.parts.unfit()
	switch serves := p.writer != nil; {
	case i.stopped():
		return nil
	case serves && (dead(p.lease) || dead(p.db)):
		return i.stepDown("lost a plugin: ", down)
	case serves && (dead(p.server) || i.parked() != nil):
		return i.serveAgain()
	case !serves && p.lease != nil && (down != nil || dead(p.lease)):
		return i.leaveLine()
	case !serves && p.abstains && down == nil:
		p.abstains = false
		if i.linked() == nil { // else there is a primary
			return i.take(turn{again: true, reason: "all plugins are back"})
		}
	}
	return nil
}

// stopped reports whether the guard rule has ended everything.
func (i *Instance) stopped() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return errors.Is(i.unfitErr, sdk.ErrUnclean)
}

// stepDown demotes this instance for want of a plugin.
func (i *Instance) stepDown(what string, down error) error {
	if down == nil {
		down = errors.New("it was opened again meanwhile")
	}
	err := fmt.Errorf("%s%w", what, down)
	return i.take(turn{demote: err, reason: err.Error()})
}

// serveAgain opens the service of the present epoch again, as soon as the transport
// is back. Until then the pipeline is parked at the store, for a TTL at most: another
// instance may be able to serve.
func (i *Instance) serveAgain() error {
	i.moving.Store(true)
	defer i.moving.Store(false)
	i.reason = "the transport was opened again"
	if err := i.pipe.Rewind(i.life, "store"); err != nil {
		return err
	}
	transport := i.parts.byStage[sdk.StageTransport]
	if l, err := transport.up(); err == nil {
		err := i.pipe.Advance(i.life)
		if err == nil || !l.over.Load() {
			i.parkEnd = nil
			return err
		}
	} else if !transport.returning() {
		return i.unpark()
	}
	if i.parkEnd == nil {
		ttl := i.pass.lease.Terms().TTL
		if ttl <= 0 {
			ttl = defaultTTL
		}
		i.parkEnd = time.After(ttl)
	}
	return nil
}

// parked returns where the reason to resign arrives while the pipeline is parked,
// when no step listens for it; nil, which blocks for ever, while it is not.
func (i *Instance) parked() <-chan error {
	if i.pass.writer != nil && i.pass.duty == nil {
		return i.pass.resign
	}
	return nil
}

// unpark gives up waiting for the transport.
func (i *Instance) unpark() error {
	i.parkEnd = nil
	if i.parked() == nil {
		return nil
	}
	return i.stepDown("cannot be reached: ", i.parts.unfit())
}

// leaveLine gives back a lock that is held next in line.
func (i *Instance) leaveLine() error {
	i.moving.Store(true)
	defer i.moving.Store(false)
	if err := i.pipe.Rewind(i.life, string(sdk.StageTransport)); err != nil {
		return err
	}
	i.pass.abstains = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(i.life), closeBudget)
	defer cancel()
	if err := i.stopLock(ctx); err != nil {
		return i.parts.at(sdk.StageLock, "release", err)
	}
	return i.pipe.Advance(i.life)
}
