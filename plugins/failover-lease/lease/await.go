package lease

import (
	"context"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

const (
	burstStep  = 200 * time.Microsecond // between the first tries when the lock should be free any moment
	burstTime  = 50 * time.Millisecond  // how long: a dying process of 200 MiB takes about as much
	burstLook  = 5                      // tries after which one looks whether a living process signed
	pollFast   = 5 * time.Millisecond   // while nothing else would tell of the holder's end
	pollLinked = 100 * time.Millisecond // while link and pidfd would
)

// Await waits for the lock. It tries in quick succession first, then waits for
// the end of the holder's process, and tries now and then in case both the
// holder and our idea of it changed. It runs in the caller's goroutine only, so
// once it returned nothing can acquire.
func (k *locker) Await(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	ctx, done, err := k.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	a, err := k.prepare(c)
	if err != nil {
		return nil, err
	}
	for {
		l, err := a.burst(ctx)
		if l == nil && err == nil {
			l, err = a.watch(ctx)
		}
		if err != nil {
			return nil, err
		}
		if l != nil {
			return l, nil
		}
	}
}

// burst tries in quick succession for a while; nil, nil: still held. It ends
// early when another living process signs the lock, and leaves the processor to it.
func (a attempt) burst(ctx context.Context) (*lease, error) {
	for n, began := 1, time.Now(); ; n++ {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if l, err := a.try(ctx); l != nil || err != nil {
			return l, err
		}
		took := time.Since(began)
		if took > burstTime {
			return nil, nil
		}
		if n%burstLook == 0 {
			if p, err := a.k.look(); err == nil && p.lockedBy() {
				return nil, nil
			}
		}
		nap(stepAfter(took))
	}
}

// stepAfter is the pause of a poll that has taken so long: it loses a tenth of that at
// most, and leaves the processors to those that are waited for.
func stepAfter(took time.Duration) time.Duration { return max(burstStep, took/10) }

// watch waits until the holder's process ends (nil, nil) or the lock, or a
// takeover, is ours.
func (a attempt) watch(ctx context.Context) (*lease, error) {
	var w *processWatch
	var watched sdk.Record
	defer func() {
		if w != nil {
			w.close()
		}
	}()
	for {
		p, err := a.k.look()
		if err != nil {
			return nil, err
		}
		if p.takeoverEnded() {
			return a.grant(ctx, nil)
		}
		if h := p.holder(); w == nil || h.Incarnation != watched.Incarnation || h.PID != watched.PID {
			if w != nil {
				w.close()
			}
			w, watched = watchProcess(h), h
		}
		if a.pause(ctx, w) {
			return nil, nil
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if l, err := a.try(ctx); l != nil || err != nil {
			return l, err
		}
	}
}

// pause waits until the next try is due, or the watched process ended (true).
func (a attempt) pause(ctx context.Context, w *processWatch) bool {
	every := pollFast
	if w != nil && a.claim.Linked {
		every = pollLinked
	}
	if w != nil {
		return w.wait(ctx, every)
	}
	t := time.NewTimer(every)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}
