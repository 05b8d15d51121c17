package unix

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/ramet-io/ramet/sdk"
)

type transport struct{ r *running }

var _ sdk.Transport = transport{}

// Serve implements [sdk.Transport]. A set holds one endpoint; of a larger one
// each is bound, all or none.
func (t transport) Serve(ctx context.Context, s sdk.Scope, at []sdk.Endpoint, h sdk.Handler) (sdk.Server, error) {
	if err := checkScope(s); err != nil {
		return nil, err
	}
	if len(at) == 0 || h == nil {
		return nil, fmt.Errorf("%w: Serve needs an endpoint and a handler", sdk.ErrInvalid)
	}
	var bound []*listener
	for _, e := range at {
		l, err := t.listen(ctx, e)
		if err != nil {
			for _, b := range bound {
				b.unbind()
			}
			return nil, err
		}
		bound = append(bound, l)
	}
	srv := newServer(t.r, s, at, bound, h)
	if !t.r.own(srv) {
		_ = srv.Close(ctx)
		return nil, errShut()
	}
	return srv, nil
}

func (t transport) listen(ctx context.Context, e sdk.Endpoint) (*listener, error) {
	path, err := pathOf(e)
	if err != nil {
		return nil, err
	}
	if t.r.isShut() {
		return nil, errShut()
	}
	return listen(ctx, path, t.r.limits)
}

func errShut() error { return fmt.Errorf("%w: %s was closed", sdk.ErrClosed, Name) }

// Dial implements [sdk.Transport]. It tries the endpoints in order. If none
// works, an endpoint where somebody answered and refused says more than one where
// nobody did.
func (t transport) Dial(ctx context.Context, s sdk.Scope, to []sdk.Endpoint) (sdk.Link, error) {
	if err := checkScope(s); err != nil {
		return nil, err
	}
	if len(to) == 0 {
		return nil, fmt.Errorf("%w: Dial needs an endpoint", sdk.ErrInvalid)
	}
	var worst error
	for _, e := range to {
		l, err := t.dial(ctx, s, e)
		if err == nil {
			return l, nil
		}
		if worst == nil || errors.Is(worst, sdk.ErrUnavailable) {
			worst = fmt.Errorf("dial %s: %w", e, err)
		}
	}
	return nil, worst
}

func (t transport) dial(ctx context.Context, s sdk.Scope, e sdk.Endpoint) (*link, error) {
	path, err := pathOf(e)
	if err != nil {
		return nil, err
	}
	if t.r.isShut() {
		return nil, errShut()
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
	c, err := connect(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("%w: nobody answers: %w", sdk.ErrUnavailable, err)
	}
	l, err := t.prove(ctx, c, s)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	if !t.r.own(l) {
		_ = l.Close(ctx)
		return nil, errShut()
	}
	return l, nil
}

// prove makes a link of a connection.
func (t transport) prove(ctx context.Context, c *net.UnixConn, s sdk.Scope) (*link, error) {
	var peer sdk.Peer
	err := withDeadline(ctx, c, t.r.limits.handshake, func() (err error) {
		peer, err = introduce(c, s)
		return err
	})
	switch {
	case errors.Is(err, errForeign):
		return nil, fmt.Errorf("%w: what answers is %w", sdk.ErrIncompatible, err)
	case err != nil && sdk.CodeOf(err) == 0:
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("%w: no handshake: %w", sdk.ErrUnavailable, err)
	case err != nil:
		return nil, err
	}
	return newLink(t.r, c, peer)
}
