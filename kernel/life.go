package kernel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// life is one opened plugin, from Open until its Close has returned. It fails at
// most once, and what it gave out is dead from then on.
type life struct {
	plugin  string // its name
	running sdk.Running
	health  atomic.Pointer[sdk.Health] // the last one told; never nil
	over    atomic.Bool                // failed; what every call looks at
	failed  chan struct{}              // closed when over

	mu      sync.Mutex // guards what follows
	reason  error      // why it failed
	closing bool

	ended    chan struct{} // closed when Close has returned
	closeErr error         // written before ended is closed
}

func newLife(plugin string, r sdk.Running) *life {
	l := &life{plugin: plugin, running: r, failed: make(chan struct{}), ended: make(chan struct{})}
	l.health.Store(&sdk.Health{})
	return l
}

// fail makes it over, once.
func (l *life) fail(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reason == nil {
		l.reason = reason
		l.over.Store(true)
		close(l.failed)
	}
}

func (l *life) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

// heed takes over what the plugin says of its health.
func (l *life) heed(h sdk.Health, err error) {
	switch {
	case err != nil:
		l.fail(fmt.Errorf("it does not tell its health: %w", err))
	case h.Condition == sdk.Failed:
		l.health.Store(&h)
		l.fail(errors.New(h.Reason))
	default:
		l.health.Store(&h)
	}
}

// askHealth bounds a question that is answered at once, unless the plugin hangs and
// is about to be found out.
const askHealth = time.Second

// lost reports whether err came about because the plugin has failed, which its
// supervisor may not know yet.
func (l *life) lost(err error) bool {
	if !errors.Is(err, sdk.ErrUnavailable) && !errors.Is(err, sdk.ErrOutcomeUnknown) && !errors.Is(err, sdk.ErrClosed) {
		return false
	}
	if !l.over.Load() {
		l.ask()
	}
	return l.over.Load()
}

// errDied marks an error that came about because a plugin failed, or is down.
// Whatever else the error says, it says nothing of what was asked.
var errDied = errors.New("its plugin failed")

// mark marks err if the plugin has failed.
func (l *life) mark(err error) error {
	if !l.lost(err) {
		return err
	}
	return fmt.Errorf("plugin %s: %w (%w): %w", l.plugin, errDied, l.why(), err)
}

// ask asks for the present health. An answer that does not come says nothing: a
// call may be cancelled for many reasons.
func (l *life) ask() {
	ctx, cancel := context.WithTimeout(context.Background(), askHealth)
	defer cancel()
	h, err := l.running.WaitHealth(ctx, 0)
	if err == nil {
		l.heed(h, nil)
	}
}

// askCounters bounds a question for people, of a plugin that may hang.
const askCounters = 100 * time.Millisecond

// counters asks what the plugin counts; nil if it does not answer or counts nothing.
// Counters grow without news, so the last health told does not have them.
func (l *life) counters() map[string]uint64 {
	ctx, cancel := context.WithTimeout(context.Background(), askCounters)
	defer cancel()
	h, err := l.running.WaitHealth(ctx, 0)
	if err != nil || len(h.Counters) == 0 {
		return nil
	}
	counters := make(map[string]uint64, len(h.Counters))
	for _, c := range h.Counters {
		counters[c.Name] = c.Count
	}
	return counters
}

// close ends the plugin, once, and waits until ctx ends. That it returned nil is
// the proof that nothing of the plugin runs any more, whatever state it was in.
func (l *life) close(ctx context.Context) error {
	l.mu.Lock()
	first := !l.closing
	l.closing = true
	l.mu.Unlock()
	if first {
		go func() { // ends with the budget, and is waited for here
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeBudget)
			defer cancel()
			l.closeErr = l.running.Close(ctx)
			close(l.ended)
		}()
	}
	select {
	case <-l.ended:
		return l.closeErr
	case <-ctx.Done():
		return fmt.Errorf("%w: the plugin still runs: %w", sdk.ErrUnclean, ctx.Err())
	}
}

// stop ends one object of the plugin. If that does not work because the plugin is
// dead or hangs, the whole plugin is ended, which for one that is a process means
// killed; when that worked the object is gone too. Only if neither works does the
// guard rule keep the lock.
func (l *life) stop(ctx context.Context, end func(context.Context) error) error {
	own := ctx
	if until, ok := ctx.Deadline(); ok { // leave some for ending the plugin
		var cancel context.CancelFunc
		own, cancel = context.WithTimeout(ctx, time.Until(until)*3/5)
		defer cancel()
	}
	if l.over.Load() { // its own end says more than any object of it can
		if l.close(ctx) == nil {
			return nil
		}
	}
	err := end(own)
	hangs := errors.Is(err, sdk.ErrUnclean) || own.Err() != nil
	if err == nil || !hangs && !l.lost(err) {
		return err
	}
	l.fail(fmt.Errorf("it did not stop: %w", err))
	if l.close(ctx) == nil {
		return nil
	}
	return err
}
