package kernel

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
)

// The kernel asks the stages through these, which lead to the present life of the
// plugin: whoever holds a stage need not know that the plugin was opened again. While
// it is down they answer sdk.ErrUnavailable with the reason.

type portsStage struct{ p *plugin }

func (s portsStage) Candidates(ctx context.Context, w sdk.Workspace) ([][]sdk.Endpoint, error) {
	return ask(s.p, func(l *life) ([][]sdk.Endpoint, error) { return l.running.Ports().Candidates(ctx, w) })
}

type lockStage struct{ p *plugin }

func (s lockStage) Acquire(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	return ask(s.p, func(l *life) (sdk.Lease, error) { return l.lease(l.running.Lock().Acquire(ctx, c)) })
}

func (s lockStage) Await(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	return ask(s.p, func(l *life) (sdk.Lease, error) { return l.lease(l.running.Lock().Await(ctx, c)) })
}

func (s lockStage) Inspect(ctx context.Context) (sdk.Holding, error) {
	return ask(s.p, func(l *life) (sdk.Holding, error) { return l.running.Lock().Inspect(ctx) })
}

func (s lockStage) Changed(ctx context.Context, seen sdk.Record) (sdk.Holding, error) {
	return ask(s.p, func(l *life) (sdk.Holding, error) { return l.running.Lock().Changed(ctx, seen) })
}

func (s lockStage) Alive(ctx context.Context, r sdk.Record) (sdk.Liveness, error) {
	return ask(s.p, func(l *life) (sdk.Liveness, error) { return l.running.Lock().Alive(ctx, r) })
}

func (l *life) lease(lease sdk.Lease, err error) (sdk.Lease, error) {
	if err != nil {
		return nil, err
	}
	return heldLease{lease, l}, nil
}

type storeStage struct{ p *plugin }

func (s storeStage) ResourceKey(ctx context.Context, o sdk.OpenOptions) (string, error) {
	return ask(s.p, func(l *life) (string, error) { return l.running.Store().ResourceKey(ctx, o) })
}

func (s storeStage) Open(ctx context.Context, o sdk.OpenOptions) (sdk.DB, error) {
	return ask(s.p, func(l *life) (sdk.DB, error) {
		db, err := l.running.Store().Open(ctx, o)
		if err != nil {
			return nil, err
		}
		return heldDB{db, l}, nil
	})
}

type transportStage struct{ p *plugin }

func (s transportStage) Serve(ctx context.Context, sc sdk.Scope, at []sdk.Endpoint, h sdk.Handler) (sdk.Server, error) {
	return ask(s.p, func(l *life) (sdk.Server, error) {
		srv, err := l.running.Transport().Serve(ctx, sc, at, h)
		if err != nil {
			return nil, err
		}
		return heldServer{srv, l}, nil
	})
}

func (s transportStage) Dial(ctx context.Context, sc sdk.Scope, to []sdk.Endpoint) (sdk.Link, error) {
	return ask(s.p, func(l *life) (sdk.Link, error) { return l.running.Transport().Dial(ctx, sc, to) })
}

type watcherStage struct{ p *plugin }

func (s watcherStage) Judge(ctx context.Context, e sdk.Evidence) (sdk.Judgement, error) {
	return ask(s.p, func(l *life) (sdk.Judgement, error) { return l.running.Watcher().Judge(ctx, e) })
}

// ask calls the plugin if it is up. From an error it learns whether it still is.
func ask[T any](p *plugin, f func(*life) (T, error)) (T, error) {
	l, err := p.up()
	if err != nil {
		var none T
		return none, err
	}
	v, err := f(l)
	return v, l.mark(err)
}
