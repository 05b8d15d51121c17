package remote

import (
	"context"
	"sync"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

type nearLock struct{ near }

func (l nearLock) Acquire(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	return l.claim(ctx, opLockAcquire, c)
}

func (l nearLock) Await(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	return l.claim(ctx, opLockAwait, c)
}

func (l nearLock) claim(ctx context.Context, o op, c sdk.Claim) (sdk.Lease, error) {
	terms, n, err := obtain(ctx, l.near, o, 0, c, wire.AppendClaim, wire.DecodeTerms)
	if err != nil {
		return nil, err
	}
	return &nearLease{near: n, terms: terms}, nil
}

func (l nearLock) Inspect(ctx context.Context) (sdk.Holding, error) {
	return ask(ctx, l.near, opLockInspect, 0, nil, appendRaw, wire.DecodeHolding)
}

func (l nearLock) Changed(ctx context.Context, seen sdk.Record) (sdk.Holding, error) {
	return ask(ctx, l.near, opLockChanged, 0, seen, wire.AppendRecord, wire.DecodeHolding)
}

func (l nearLock) Alive(ctx context.Context, r sdk.Record) (sdk.Liveness, error) {
	return ask(ctx, l.near, opLockAlive, 0, r, wire.AppendRecord, wire.DecodeLiveness)
}

// nearLease keeps the terms here, since Terms does no I/O. They change with Announce
// and Renew only, and come back with them.
type nearLease struct {
	near
	mu    sync.Mutex
	terms sdk.Terms
}

func (l *nearLease) Terms() sdk.Terms {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.terms
}

func (l *nearLease) Announce(ctx context.Context, r sdk.Record) error {
	t, err := ask(ctx, l.near, opLeaseAnnounce, 0, r, wire.AppendRecord, wire.DecodeTerms)
	return l.keep(t, err)
}

func (l *nearLease) Renew(ctx context.Context) error {
	t, err := ask(ctx, l.near, opLeaseRenew, 0, nil, appendRaw, wire.DecodeTerms)
	return l.keep(t, err)
}

func (l *nearLease) keep(t sdk.Terms, err error) error {
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.terms = t
	return nil
}

func (l *nearLease) Release(ctx context.Context) error { return l.release(ctx, opLeaseRelease) }
