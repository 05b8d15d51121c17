package remote

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
	pb "github.com/ramet-io/ramet/sdk/internal/pb/stage/v1"
	"github.com/ramet-io/ramet/sdk/wire"
)

// running is an opened plugin as the kernel sees it.
type running struct {
	c *child

	mu     sync.Mutex // guards what follows
	newest uint64     // number of the newest health that was seen
	closed bool
}

var _ sdk.Running = (*running)(nil)

func (r *running) near() near { return near{c: r.c} }

// Ports implements sdk.Running, and so on: nil for a stage that is not declared.
func (r *running) Ports() sdk.Ports {
	if !r.c.info.Serves(sdk.StagePorts) {
		return nil
	}
	return nearPorts{r.near()}
}

func (r *running) Lock() sdk.Lock {
	if !r.c.info.Serves(sdk.StageLock) {
		return nil
	}
	return nearLock{r.near()}
}

func (r *running) Store() sdk.Store {
	if !r.c.info.Serves(sdk.StageStore) {
		return nil
	}
	return nearStore{r.near()}
}

func (r *running) Transport() sdk.Transport {
	if !r.c.info.Serves(sdk.StageTransport) {
		return nil
	}
	return nearTransport{r.near()}
}

func (r *running) Watcher() sdk.Watcher {
	if !r.c.info.Serves(sdk.StageWatcher) {
		return nil
	}
	return nearWatcher{r.near()}
}

// WaitHealth asks the plugin, as long as it lives. The last health is that it
// failed, and why.
func (r *running) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	if r.isClosed() {
		return sdk.Health{}, errRunningClosed(r.c)
	}
	bounded, cancel := r.c.bound(ctx)
	defer cancel()
	reply, err := r.c.stub.Health(bounded, &pb.HealthRequest{Seen: seen})
	if err == nil {
		if err := errorOfPB(reply.Err); err != nil {
			return sdk.Health{}, err
		}
		h, err := fromPB(reply.Health, wire.DecodeHealth)
		if err != nil {
			return sdk.Health{}, err
		}
		h.PID = r.c.proc.ident()
		r.note(h.Number)
		return h, nil
	}
	if ctx.Err() != nil {
		return sdk.Health{}, ctx.Err()
	}
	// The connection is gone, so the carrier is about to be.
	select {
	case <-r.c.dead:
	case <-ctx.Done():
		return sdk.Health{}, ctx.Err()
	}
	return r.last(ctx, seen)
}

// last returns the health of a dead plugin, once.
func (r *running) last(ctx context.Context, seen uint64) (sdk.Health, error) {
	if r.isClosed() {
		return sdk.Health{}, errRunningClosed(r.c)
	}
	r.note(seen)
	r.mu.Lock()
	number := r.newest + 1
	r.newest = number
	r.mu.Unlock()
	return sdk.Health{Number: number, Condition: sdk.Failed, Reason: r.c.reason().Error(), PID: r.c.proc.ident()}, nil
}

func (r *running) note(number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = max(r.newest, number)
}

func (r *running) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

func errRunningClosed(c *child) error {
	return fmt.Errorf("%w: plugin %s was closed", sdk.ErrClosed, c.program.Name)
}

// Close lets the plugin close what it has and ends its process. A plugin that does
// not close by ctx's end, or hangs, is killed: then nothing is left either.
func (r *running) Close(ctx context.Context) error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.mu.Unlock()
	if again {
		select {
		case <-r.c.dead:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%w: plugin %s is being closed: %w", sdk.ErrUnclean, r.c.program.Name, ctx.Err())
		}
	}
	err := r.drain(ctx)
	if ended := r.c.end(); ended != nil {
		return ended
	}
	return err
}

func (r *running) drain(ctx context.Context) error {
	c := r.c
	c.mu.Lock()
	c.closing = c.alive()
	c.mu.Unlock()
	if !c.alive() {
		return nil
	}
	req := &pb.DrainRequest{}
	if at, ok := ctx.Deadline(); ok {
		req.Timeout = uint64(max(time.Until(at), 1))
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	reply, err := c.stub.Drain(ctx, req)
	if err != nil {
		c.logs.logger().Warn("the plugin did not close and was killed", "plugin", c.program.Name, "pid", c.proc.ident(), "err", err)
		c.kill(fmt.Errorf("it did not close in time: %w", err))
		return nil
	}
	if err = errorOfPB(reply.Err); sdk.CodeOf(err) == sdk.CodeOf(sdk.ErrUnclean) {
		return nil // its process ends now, and everything with it
	}
	return err
}
