package remote

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

func (f *far) lock(r *request) error {
	if r.op >= opLeaseAnnounce {
		return f.lease(r)
	}
	l, err := served(r, f.opened().Lock())
	if err != nil {
		return err
	}
	switch r.op {
	case opLockAcquire:
		return f.claim(r, l.Acquire)
	case opLockAwait:
		return f.claim(r, l.Await)
	case opLockInspect:
		h, err := l.Inspect(r)
		return reply(r, h, err, wire.AppendHolding)
	case opLockChanged:
		seen, err := wire.DecodeRecord(r.body)
		if err != nil {
			return err
		}
		h, err := l.Changed(r, seen)
		return reply(r, h, err, wire.AppendHolding)
	case opLockAlive:
		rec, err := wire.DecodeRecord(r.body)
		if err != nil {
			return err
		}
		alive, err := l.Alive(r, rec)
		return reply(r, alive, err, wire.AppendLiveness)
	}
	return errUnknownOp(r)
}

func (f *far) claim(r *request, get func(context.Context, sdk.Claim) (sdk.Lease, error)) error {
	c, err := wire.DecodeClaim(r.body)
	if err != nil {
		return err
	}
	l, err := get(r, c)
	if err != nil {
		return err
	}
	return made(f, r, l, l.Terms(), nil, wire.AppendTerms)
}

func (f *far) lease(r *request) error {
	l, err := object[sdk.Lease](f, r)
	if err != nil {
		return err
	}
	switch r.op {
	case opLeaseAnnounce:
		rec, err := wire.DecodeRecord(r.body)
		if err == nil {
			err = l.Announce(r, rec)
		}
		return reply(r, l.Terms(), err, wire.AppendTerms)
	case opLeaseRenew:
		err := l.Renew(r)
		return reply(r, l.Terms(), err, wire.AppendTerms)
	case opLeaseRelease: // idempotent, so it stays known
		return l.Release(r)
	}
	return errUnknownOp(r)
}
