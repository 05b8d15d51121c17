package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// Serve binds the endpoints with listen, all or none, and serves there.
func (h *Host) Serve(at []sdk.Endpoint, handler sdk.Handler, answer Answer,
	listen func(sdk.Endpoint) (Listener, error)) (sdk.Server, error) {
	if len(at) == 0 || handler == nil {
		return nil, fmt.Errorf("%w: Serve needs an endpoint and a handler", sdk.ErrInvalid)
	}
	if err := h.Shut(); err != nil {
		return nil, err
	}
	var bound []Listener
	for _, e := range at {
		l, err := listen(e)
		if err != nil {
			for _, b := range bound {
				b.Unbind()
			}
			return nil, err
		}
		bound = append(bound, l)
	}
	s, err := newServer(h, at, bound, handler, answer)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Dial tries the endpoints in order and makes a link to the first that proves itself
// by introduce, the client's side of a handshake. An error of connect that is not of
// the closed set means that nobody answers. If no endpoint works, one where somebody
// answered and refused says more than one where nobody did.
func (h *Host) Dial(ctx context.Context, to []sdk.Endpoint, introduce Introduce,
	connect func(sdk.Endpoint) (Conn, error)) (sdk.Link, error) {
	if len(to) == 0 {
		return nil, fmt.Errorf("%w: Dial needs an endpoint", sdk.ErrInvalid)
	}
	var worst error
	for _, e := range to {
		l, err := h.dial(ctx, e, introduce, connect)
		if err == nil {
			return l, nil
		}
		if worst == nil || errors.Is(worst, sdk.ErrUnavailable) {
			worst = fmt.Errorf("dial %s: %w", e, err)
		}
	}
	return nil, worst
}

func (h *Host) dial(ctx context.Context, e sdk.Endpoint, introduce Introduce,
	connect func(sdk.Endpoint) (Conn, error)) (*Link, error) {
	if err := h.Shut(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
	c, err := connect(e)
	switch {
	case sdk.CodeOf(err) != 0:
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: nobody answers: %w", sdk.ErrUnavailable, err)
	}
	l, err := h.prove(ctx, c, introduce)
	if err != nil {
		_ = c.Close()
	}
	return l, err
}

// prove makes a link of a connection.
func (h *Host) prove(ctx context.Context, c Conn, introduce Introduce) (*Link, error) {
	var codec Codec
	var peer sdk.Peer
	err := WithDeadline(ctx, c, h.Limits.Handshake, func() (err error) {
		codec, peer, err = introduce(c)
		return err
	})
	switch {
	case err != nil && sdk.CodeOf(err) == 0:
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("%w: no handshake: %w", sdk.ErrUnavailable, err)
	case err != nil:
		return nil, err
	}
	return newLink(h, c, codec, peer)
}
