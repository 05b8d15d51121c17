package sdktest

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

type loopLock struct{ l sdk.Lock }

func (l loopLock) Acquire(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	c, err := pass(c, wire.AppendClaim, wire.DecodeClaim)
	if err != nil {
		return nil, err
	}
	lease, err := l.l.Acquire(ctx, c)
	return object(lease, err, newLoopLease)
}

func (l loopLock) Await(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	c, err := pass(c, wire.AppendClaim, wire.DecodeClaim)
	if err != nil {
		return nil, err
	}
	lease, err := l.l.Await(ctx, c)
	return object(lease, err, newLoopLease)
}

func (l loopLock) Inspect(ctx context.Context) (sdk.Holding, error) {
	h, err := l.l.Inspect(ctx)
	return answer(h, err, wire.AppendHolding, wire.DecodeHolding)
}

func (l loopLock) Changed(ctx context.Context, seen sdk.Record) (sdk.Holding, error) {
	seen, err := pass(seen, wire.AppendRecord, wire.DecodeRecord)
	if err != nil {
		return sdk.Holding{}, err
	}
	h, err := l.l.Changed(ctx, seen)
	return answer(h, err, wire.AppendHolding, wire.DecodeHolding)
}

func (l loopLock) Alive(ctx context.Context, r sdk.Record) (sdk.Liveness, error) {
	r, err := pass(r, wire.AppendRecord, wire.DecodeRecord)
	if err != nil {
		return sdk.LivenessUnknown, err
	}
	alive, err := l.l.Alive(ctx, r)
	return answer(alive, err, wire.AppendLiveness, wire.DecodeLiveness)
}

type loopLease struct{ l sdk.Lease }

func newLoopLease(l sdk.Lease) sdk.Lease { return loopLease{l} }

func (l loopLease) Terms() sdk.Terms {
	return passed(l.l.Terms(), wire.AppendTerms, wire.DecodeTerms)
}

func (l loopLease) Announce(ctx context.Context, r sdk.Record) error {
	r, err := pass(r, wire.AppendRecord, wire.DecodeRecord)
	if err != nil {
		return err
	}
	return passError(l.l.Announce(ctx, r))
}

func (l loopLease) Renew(ctx context.Context) error   { return passError(l.l.Renew(ctx)) }
func (l loopLease) Release(ctx context.Context) error { return passError(l.l.Release(ctx)) }
