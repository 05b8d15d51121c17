package sdktest

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
)

type crashPorts struct {
	p *process
	s sdk.Ports
}

func (c crashPorts) Candidates(ctx context.Context, w sdk.Workspace) ([][]sdk.Endpoint, error) {
	return call(c.p, "Ports.Candidates", false, func() ([][]sdk.Endpoint, error) { return c.s.Candidates(ctx, w) })
}

type crashWatcher struct {
	p *process
	s sdk.Watcher
}

func (c crashWatcher) Judge(ctx context.Context, e sdk.Evidence) (sdk.Judgement, error) {
	return call(c.p, "Watcher.Judge", false, func() (sdk.Judgement, error) { return c.s.Judge(ctx, e) })
}

type crashLock struct {
	p *process
	s sdk.Lock
}

func (c crashLock) Acquire(ctx context.Context, k sdk.Claim) (sdk.Lease, error) {
	return call(c.p, "Lock.Acquire", true, func() (sdk.Lease, error) { return c.lease(c.s.Acquire(ctx, k)) })
}

func (c crashLock) Await(ctx context.Context, k sdk.Claim) (sdk.Lease, error) {
	return call(c.p, "Lock.Await", true, func() (sdk.Lease, error) { return c.lease(c.s.Await(ctx, k)) })
}

func (c crashLock) lease(l sdk.Lease, err error) (sdk.Lease, error) {
	if err != nil {
		return nil, err
	}
	return crashLease{c.p, l}, nil
}

func (c crashLock) Inspect(ctx context.Context) (sdk.Holding, error) {
	return call(c.p, "Lock.Inspect", false, func() (sdk.Holding, error) { return c.s.Inspect(ctx) })
}

func (c crashLock) Changed(ctx context.Context, seen sdk.Record) (sdk.Holding, error) {
	return call(c.p, "Lock.Changed", false, func() (sdk.Holding, error) { return c.s.Changed(ctx, seen) })
}

func (c crashLock) Alive(ctx context.Context, r sdk.Record) (sdk.Liveness, error) {
	return call(c.p, "Lock.Alive", false, func() (sdk.Liveness, error) { return c.s.Alive(ctx, r) })
}

type crashLease struct {
	p *process
	l sdk.Lease
}

func (c crashLease) Terms() sdk.Terms { return c.l.Terms() }

func (c crashLease) Announce(ctx context.Context, r sdk.Record) error {
	return do(c.p, "Lease.Announce", true, func() error { return c.l.Announce(ctx, r) })
}

func (c crashLease) Renew(ctx context.Context) error {
	return do(c.p, "Lease.Renew", true, func() error { return c.l.Renew(ctx) })
}

func (c crashLease) Release(ctx context.Context) error {
	return end(c.p, "Lease.Release", func() error { return c.l.Release(ctx) })
}
