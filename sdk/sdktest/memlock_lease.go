package sdktest

import (
	"context"
	"fmt"
	"os"

	"github.com/ramet-io/ramet/sdk"
)

// memLocker is the lock as one instance sees it.
type memLocker struct {
	m      *MemLocks
	place  *memLockPlace
	closed chan struct{} // closed by Close, under m.mu
}

// closedLocked needs m.mu.
func (k *memLocker) closedLocked() bool {
	select {
	case <-k.closed:
		return true
	default:
		return false
	}
}

// Acquire tries once.
func (k *memLocker) Acquire(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	if err := memLockCheck(ctx, c); err != nil {
		return nil, err
	}
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	if k.closedLocked() {
		return nil, errMemLockClosed()
	}
	view := k.place.viewLocked()
	if k.place.holder != nil {
		stale := view.Incarnation != c.Displaces.Incarnation || view.Epoch != c.Displaces.Epoch
		if !c.Takeover || stale {
			return nil, &sdk.HeldError{Holder: view, What: "memory"}
		}
	}
	return k.grantLocked(c, k.place.holder != nil), nil
}

// Await waits for a change and looks again.
func (k *memLocker) Await(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	if err := memLockCheck(ctx, c); err != nil {
		return nil, err
	}
	for {
		l, changed, err := k.awaitOnce(ctx, c)
		if l != nil || err != nil {
			return l, err
		}
		select {
		case <-changed:
		case <-k.closed:
		case <-ctx.Done():
		}
	}
}

func (k *memLocker) awaitOnce(ctx context.Context, c sdk.Claim) (sdk.Lease, <-chan struct{}, error) {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	p := k.place
	r := p.record
	ended := r.Takeover && (r.Left || p.aliveLocked(r) == sdk.Dead)
	switch {
	case k.closedLocked():
		return nil, nil, errMemLockClosed()
	case p.holder == nil:
		return k.grantLocked(c, false), nil, nil
	case ended && p.holder.terms.Epoch < r.Epoch: // else the holder knows and acts
		return k.grantLocked(c, true), nil, nil
	}
	return nil, p.changed, nil
}

// memLockCheck refuses claims that cannot be met.
func memLockCheck(ctx context.Context, c sdk.Claim) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.TTL != 0 && c.TTL < memLockMinTTL {
		return fmt.Errorf("%w: a ttl of %v; use at least %v", sdk.ErrInvalid, c.TTL, memLockMinTTL)
	}
	if c.Record.Incarnation == "" {
		return fmt.Errorf("%w: a claim without an incarnation", sdk.ErrInvalid)
	}
	return nil
}

// grantLocked needs m.mu.
func (k *memLocker) grantLocked(c sdk.Claim, takeover bool) *memLease {
	p := k.place
	l := &memLease{k: k, record: memLockIdentify(c.Record), terms: sdk.Terms{
		Epoch: p.record.Epoch, Lineage: p.record.Lineage, Takeover: takeover, TTL: c.TTL, MinTTL: memLockMinTTL, StartTime: memLockStart,
	}}
	l.record.Left, l.record.Endpoints = false, nil
	if c.TTL == 0 {
		l.terms.TTL = memLockTTL
	}
	if !takeover {
		p.holder = l
		p.beat++
	}
	p.leases[l] = k
	p.changeLocked()
	return l
}

func memLockIdentify(r sdk.Record) sdk.Record {
	if r.PID == 0 {
		r.PID = os.Getpid()
	}
	r.StartTime = memLockStart
	return r
}

// Inspect reports what is known.
func (k *memLocker) Inspect(ctx context.Context) (sdk.Holding, error) {
	if err := ctx.Err(); err != nil {
		return sdk.Holding{}, err
	}
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	p := k.place
	return sdk.Holding{Record: p.viewLocked(), Announced: p.record, Held: p.holder != nil, Beat: p.beat}, nil
}

// Changed waits for another record.
func (k *memLocker) Changed(ctx context.Context, seen sdk.Record) (sdk.Holding, error) {
	for {
		k.m.mu.Lock()
		changed, now := k.place.changed, k.place.record
		k.m.mu.Unlock()
		if now.Incarnation != seen.Incarnation || now.Epoch != seen.Epoch || now.Left != seen.Left || now.Takeover != seen.Takeover {
			return k.Inspect(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return sdk.Holding{}, ctx.Err()
		case <-k.closed:
			return sdk.Holding{}, errMemLockClosed()
		}
	}
}

// Alive reports what SetAlive said, else whether r is of this process.
func (k *memLocker) Alive(ctx context.Context, r sdk.Record) (sdk.Liveness, error) {
	if err := ctx.Err(); err != nil {
		return sdk.LivenessUnknown, err
	}
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	return k.place.aliveLocked(r), nil
}

// memLease is a granted claim. All of it is guarded by MemLocks.mu.
type memLease struct {
	k         *memLocker
	record    sdk.Record // as announced; before that, as claimed
	terms     sdk.Terms
	announced bool
	released  bool
}

// Terms returns what was granted.
func (l *memLease) Terms() sdk.Terms {
	l.k.m.mu.Lock()
	defer l.k.m.mu.Unlock()
	return l.terms
}

// holdsLocked reports whether the lock itself is held; it needs m.mu.
func (l *memLease) holdsLocked() bool { return l.k.place.holder == l }

// checkLocked refuses what a released or dead lease may not do; it needs m.mu.
func (l *memLease) checkLocked(ctx context.Context, own uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := l.k.place
	cur := p.record
	switch {
	case l.released:
		return errMemLockClosed()
	case p.life[l.record.Incarnation] == sdk.Dead:
		return fmt.Errorf("%w: SetAlive declared this instance dead", sdk.ErrFenced)
	case cur.Epoch > own && cur.Incarnation != l.record.Incarnation:
		return fmt.Errorf("%w: the record names %s with epoch %d, this lease is of epoch %d", sdk.ErrFenced, cur.Instance, cur.Epoch, own)
	}
	return nil
}

// Announce replaces the record.
func (l *memLease) Announce(ctx context.Context, r sdk.Record) error {
	l.k.m.mu.Lock()
	defer l.k.m.mu.Unlock()
	p := l.k.place
	own := r.Epoch
	if p.record.Lineage != r.Lineage && l.holdsLocked() {
		own = max(own, p.record.Epoch) // a restored store starts below its record
	}
	if err := l.checkLocked(ctx, own); err != nil {
		return err
	}
	r = memLockIdentify(r)
	r.Endpoints = append([]sdk.Endpoint(nil), r.Endpoints...)
	r.Takeover, r.Left = !l.holdsLocked(), false
	p.record, l.record, l.announced = r, r, true
	p.changeLocked()
	return nil
}

// Renew raises the beat, and takes the lock if a lease by takeover finds it free.
func (l *memLease) Renew(ctx context.Context) error {
	l.k.m.mu.Lock()
	defer l.k.m.mu.Unlock()
	if err := l.checkLocked(ctx, max(l.record.Epoch, l.terms.Epoch)); err != nil {
		return err
	}
	p := l.k.place
	if l.terms.Takeover && p.holder == nil {
		p.holder, l.terms.Takeover = l, false
		l.record.Takeover = false
		if l.announced {
			p.record = l.record
		}
		p.changeLocked()
	}
	r := p.record
	other := r.Takeover && !r.Left && r.Incarnation != l.record.Incarnation && p.aliveLocked(r) != sdk.Dead
	if l.announced || !other { // the silence of another that serves must show
		p.beat++
	}
	return nil
}

// Release marks the record and gives the lock back.
func (l *memLease) Release(context.Context) error {
	l.k.m.mu.Lock()
	defer l.k.m.mu.Unlock()
	l.releaseLocked()
	return nil
}

// releaseLocked needs m.mu.
func (l *memLease) releaseLocked() {
	if l.released {
		return
	}
	l.released = true
	p := l.k.place
	if l.announced && p.record.Incarnation == l.record.Incarnation {
		p.record.Left = true
	}
	if l.holdsLocked() {
		p.holder = nil
	}
	delete(p.leases, l)
	p.changeLocked()
}

var (
	_ sdk.Plugin  = (*MemLocks)(nil)
	_ sdk.Lock    = (*memLocker)(nil)
	_ sdk.Lease   = (*memLease)(nil)
	_ sdk.Watcher = memLockWatcher{}
)
