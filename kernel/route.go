package kernel

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ramet-io/ramet/kernel/internal/bus"
	"github.com/ramet-io/ramet/kernel/internal/forward"
	"github.com/ramet-io/ramet/sdk"
)

// route says where the primary is: the one place that writes, calls and
// subscriptions ask, on either role.
type route struct {
	hope func() error // nil while a primary can still come; the reason otherwise

	mu      sync.Mutex // guards what follows
	target  forward.Target
	known   bool
	lost    time.Time // when the last primary was, zero: never
	closed  bool
	changed chan struct{} // closed and replaced at each change
}

func newRoute(hope func() error) *route {
	return &route{hope: hope, changed: make(chan struct{})}
}

// set names a new primary and returns its generation.
func (r *route) set(t forward.Target) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Generation = r.target.Generation + 1
	r.target, r.known = t, true
	r.wakeLocked()
	return t.Generation
}

// clear forgets the primary of generation gen, if it still is the one.
func (r *route) clear(gen uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known && r.target.Generation == gen {
		r.known, r.lost = false, time.Now()
		r.target = forward.Target{Generation: gen}
		r.wakeLocked()
	}
}

// justLost reports whether there was a primary until a moment ago.
func (r *route) justLost() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.lost) < returnTime
}

func (r *route) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.known = true, false
	r.wakeLocked()
}

func (r *route) wakeLocked() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// look returns the primary if one above after is known.
func (r *route) look(after uint64) (t forward.Target, known, closed bool, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.target, r.known && r.target.Generation > after, r.closed, r.changed
}

// returnTime is how long a primary that stepped down and lives on may take to come
// back before calls give it up, like one whose store is being opened again.
const returnTime = time.Second

// hopeEvery is how often a waiting call asks whether a primary can still come.
const hopeEvery = 50 * time.Millisecond

// Primary implements forward.Route.
func (r *route) Primary(ctx context.Context, after uint64) (forward.Target, error) {
	return r.wait(ctx, after, true)
}

// Await is Primary without giving up.
func (r *route) Await(ctx context.Context, after uint64) (forward.Target, error) {
	return r.wait(ctx, after, false)
}

func (r *route) wait(ctx context.Context, after uint64, giveUp bool) (forward.Target, error) {
	for {
		t, known, closed, changed := r.look(after)
		switch {
		case known:
			return t, nil
		case closed:
			return forward.Target{}, fmt.Errorf("%w: the instance is closed", sdk.ErrClosed)
		case ctx.Err() != nil:
			return forward.Target{}, ctx.Err()
		}
		var tick <-chan time.Time
		if giveUp {
			if err := r.hope(); err != nil {
				// A primary may have come while we asked.
				if t, known, _, _ := r.look(after); known {
					return t, nil
				}
				return forward.Target{}, err
			}
			timer := time.NewTimer(hopeEvery)
			defer timer.Stop()
			tick = timer.C
		}
		select {
		case <-changed:
		case <-tick:
		case <-ctx.Done():
		}
	}
}

// busRoute is the route as the bus wants it.
type busRoute struct{ *route }

func (r busRoute) Primary(ctx context.Context, after uint64) (bus.Target, error) {
	return busTarget(r.route.Primary(ctx, after))
}

func (r busRoute) Await(ctx context.Context, after uint64) (bus.Target, error) {
	return busTarget(r.route.Await(ctx, after))
}

func busTarget(t forward.Target, err error) (bus.Target, error) {
	return bus.Target{Generation: t.Generation, Epoch: t.Epoch, Link: t.Link}, err
}
