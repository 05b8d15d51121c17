package kernel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ramet-io/ramet/kernel/internal/forward"
	"github.com/ramet-io/ramet/sdk"
)

// pass is what one walk through the pipeline has gathered. Only the goroutine
// that moves the pipeline writes it.
type pass struct {
	sets      [][]sdk.Endpoint
	lease     sdk.Lease  // the right to stand; nil: none in hand
	displaces sdk.Record // the primary that the watcher found lost
	spare     sdk.DB     // opened ahead for stand; nil: none
	abstains  bool       // did not try for the lock, for want of a plugin

	db     sdk.DB // open for writing; nil unless the epoch was won
	grant  sdk.Grant
	writer *forward.Writer
	server sdk.Server
	record sdk.Record // as announced
	gen    uint64     // of the route, while primary

	renewal *work      // raises the beat, from before the epoch is won
	link    *work      // secondary: the linker
	duty    *work      // secondary: the standby; primary: waits for resign
	resign  chan error // primary: holds one, why the service must end
}

// quitter returns a function that asks for the end of a service. It never blocks;
// the first reason counts.
func quitter(resign chan error) func(error) {
	return func(err error) {
		select {
		case resign <- err:
		default:
		}
	}
}

// turn is a role change that a goroutine of the present role asks for.
type turn struct {
	lease     sdk.Lease  // promote: a won lease, or nil to use the one in hand
	displaces sdk.Record // promote: the primary found lost
	spare     sdk.DB     // promote: the store opened ahead; may be nil
	demote    error      // demote: why; nil: promote
	again     bool       // neither: try for the lock once more, as at Bootstrap
	reason    string
}

// run owns the pipeline from the end of Bootstrap until Close.
func (i *Instance) run() {
	defer close(i.done)
	for {
		select {
		case <-i.life.Done():
			i.shutdown()
			return
		case t := <-i.turns:
			i.settle(i.take(t))
		case <-i.parts.changed:
			i.settle(i.mend())
		case err := <-i.parked():
			i.settle(i.take(turn{demote: err, reason: err.Error()}))
		case <-i.parkEnd:
			i.settle(i.unpark())
		}
	}
}

// settle brings the pipeline up again if a move of it failed.
func (i *Instance) settle(err error) {
	if err != nil {
		i.recover(err)
	}
}

// take carries out a role change: promotion rewinds to the lock, demotion to the
// ports, and both advance again.
func (i *Instance) take(t turn) error {
	i.moving.Store(true)
	defer i.moving.Store(false)
	to := "lock"
	switch {
	case t.again:
		to = "ports"
	case t.demote != nil:
		to = "ports"
		i.counters.demotions.Add(1)
		if errors.Is(t.demote, sdk.ErrFenced) {
			i.counters.fenced.Add(1)
		}
		i.log.Info("demoted", "epoch", i.pass.record.Epoch, "reason", t.demote)
	default:
		if t.lease != nil {
			i.pass.lease = t.lease
		}
		i.pass.displaces = t.displaces
		i.log.Info("standing for primary", "reason", t.reason)
	}
	i.reason = t.reason
	if err := i.pipe.Rewind(i.life, to); err != nil {
		return errors.Join(err, closeUnused(i.life, t.spare))
	}
	i.pass.spare = t.spare
	return i.pipe.Advance(i.life)
}

// recover brings the pipeline up again after a failed role change, from the
// start, until it works or the instance is closed.
func (i *Instance) recover(err error) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if i.life.Err() != nil {
			return
		}
		i.degrade("pipeline", err)
		if errors.Is(err, sdk.ErrUnclean) {
			i.setUnfit(err)
			i.log.Error("stopped for good: exit the process", "err", err)
			return
		}
		i.log.Warn("role change failed, starting over", "err", err, "pause", pause)
		if err = i.pipe.Rewind(i.life, ""); err != nil {
			continue
		}
		select {
		case <-time.After(pause):
		case <-i.life.Done():
			return
		}
		if err = i.pipe.Advance(i.life); err == nil {
			i.restore("pipeline")
			return
		}
	}
}

// shutdown releases everything, in reverse order of Bootstrap.
func (i *Instance) shutdown() {
	i.keepers.cancel() // no plugin is opened again; closeHandles waits
	i.reason = "closed"
	err := i.pipe.Rewind(context.Background(), "")
	i.roles.close("closed")
	i.route.close()
	i.closeErr = errors.Join(err, i.closeHandles())
}

// closeHandles ends what lives as long as the instance.
func (i *Instance) closeHandles() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeBudget)
	defer cancel()
	i.background.stop()
	i.bus.Close()
	i.client.Close()
	var errs []error
	if i.db != nil {
		errs = append(errs, i.db.Close(), i.localDB.Close())
	}
	errs = append(errs, i.parts.at(sdk.StageStore, "close", i.reader.Close(ctx)))
	i.keepers.stop()
	errs = append(errs, i.parts.close(ctx))
	return errors.Join(errs...)
}

const closeBudget = 5 * time.Second

// ask hands a turn to run, unless the role's goroutine ends first; then a lease
// that was won, and a spare, are given back. Only one turn is taken: the pipeline stops the asker
// before it moves.
func (i *Instance) ask(ctx context.Context, t turn) {
	select {
	case i.turns <- t:
	case <-ctx.Done():
		if err := closeUnused(ctx, t.spare); err != nil {
			i.log.Error("close an unused handle of the store", "err", err)
		}
		if t.lease != nil {
			release, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeBudget)
			defer cancel()
			if err := t.lease.Release(release); err != nil {
				i.log.Error("give back an unused lease", "err", err)
			}
		}
	}
}

// degrade records what does not work and why; restore takes it back.
func (i *Instance) degrade(what string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.degraded[what] = err.Error()
}

func (i *Instance) restore(what string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.degraded, what)
}

// work is some goroutines with one owner, who ends them.
type work struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// start runs f in a goroutine until stop.
func start(f func(ctx context.Context)) *work {
	ctx, cancel := context.WithCancel(context.Background())
	w := &work{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		f(ctx)
	}()
	return w
}

// startAll is start for several.
func startAll(all ...func(ctx context.Context)) *work {
	return start(func(ctx context.Context) {
		var wg sync.WaitGroup
		for _, f := range all {
			wg.Go(func() { f(ctx) })
		}
		wg.Wait()
	})
}

// stop ends the goroutine and waits for it. A nil work is stopped.
func (w *work) stop() {
	if w != nil {
		w.cancel()
		<-w.done
	}
}

// stopBy is stop with an end: ErrUnclean when ctx is over first.
func (w *work) stopBy(ctx context.Context, what string) error {
	if w == nil {
		return nil
	}
	w.cancel()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %s still runs", sdk.ErrUnclean, what)
	}
}
