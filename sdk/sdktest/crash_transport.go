package sdktest

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
)

type crashTransport struct {
	p *process
	t sdk.Transport
}

func (c crashTransport) Serve(ctx context.Context, s sdk.Scope, at []sdk.Endpoint, h sdk.Handler) (sdk.Server, error) {
	return call(c.p, "Transport.Serve", true, func() (sdk.Server, error) {
		srv, err := c.t.Serve(ctx, s, at, crashHandler{c.p, h})
		if err != nil {
			return nil, err
		}
		return crashServer{c.p, srv}, nil
	})
}

func (c crashTransport) Dial(ctx context.Context, s sdk.Scope, to []sdk.Endpoint) (sdk.Link, error) {
	return call(c.p, "Transport.Dial", false, func() (sdk.Link, error) {
		l, err := c.t.Dial(ctx, s, to)
		if err != nil {
			return nil, err
		}
		return crashLink{c.p, l}, nil
	})
}

// crashHandler is what the plugin calls. A dead plugin calls nobody; that its
// sessions are over is for the near side to say.
type crashHandler struct {
	p *process
	h sdk.Handler
}

func (c crashHandler) Handle(ctx context.Context, from sdk.Peer, m sdk.Message) ([]byte, error) {
	select {
	case <-c.p.dead:
		return nil, broken(false)
	default:
		return c.h.Handle(ctx, from, m)
	}
}

func (c crashHandler) Published(ctx context.Context, from sdk.Peer, e sdk.Event) {
	select {
	case <-c.p.dead:
	default:
		c.h.Published(ctx, from, e)
	}
}

func (c crashHandler) Ended(from sdk.Peer) { c.h.Ended(from) }

type crashServer struct {
	p *process
	s sdk.Server
}

func (c crashServer) Bound() []sdk.Endpoint { return c.s.Bound() }

func (c crashServer) Publish(ctx context.Context, e sdk.Event) error {
	return do(c.p, "Server.Publish", true, func() error { return c.s.Publish(ctx, e) })
}

func (c crashServer) Close(ctx context.Context) error {
	return end(c.p, "Server.Close", func() error { return c.s.Close(ctx) })
}

type crashLink struct {
	p *process
	l sdk.Link
}

func (c crashLink) Server() sdk.Peer { return c.l.Server() }

func (c crashLink) Call(ctx context.Context, m sdk.Message) ([]byte, error) {
	return call(c.p, "Link.Call", true, func() ([]byte, error) { return c.l.Call(ctx, m) })
}

func (c crashLink) Publish(ctx context.Context, e sdk.Event) error {
	return do(c.p, "Link.Publish", true, func() error { return c.l.Publish(ctx, e) })
}

func (c crashLink) Subscribe(ctx context.Context, prefix string) (sdk.Subscription, error) {
	return call(c.p, "Link.Subscribe", false, func() (sdk.Subscription, error) {
		s, err := c.l.Subscribe(ctx, prefix)
		if err != nil {
			return nil, err
		}
		return crashSubscription{c.p, s}, nil
	})
}

func (c crashLink) Wait(ctx context.Context) error {
	return do(c.p, "Link.Wait", false, func() error { return c.l.Wait(ctx) })
}

func (c crashLink) Close(ctx context.Context) error {
	return end(c.p, "Link.Close", func() error { return c.l.Close(ctx) })
}

type crashSubscription struct {
	p *process
	s sdk.Subscription
}

func (c crashSubscription) Next(ctx context.Context) (sdk.Event, error) {
	return call(c.p, "Subscription.Next", false, func() (sdk.Event, error) { return c.s.Next(ctx) })
}

func (c crashSubscription) Close() error { return end(c.p, "Subscription.Close", c.s.Close) }
